/* SPDX-License-Identifier: Apache-2.0 */

/* Answers that are kept, and the file in which they are. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netext/netext.h>

#include "base/endpoint.h"
#include "manager/ask/record.h"

struct fixture {
        char path[64];
        int fd;
        struct kept kept;
        struct letter *question;
};

static struct letter *ask(const char *program, const char *name, const char *address)
{
        uint8_t buffer[1024];
        struct wire_writer writer;
        struct in6_addr remote;

        assert_int_equal(address_from_string(address, &remote), 0);
        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_MANAGER_QUESTION, 0);
        wire_put(&writer, WIRE_ATTR_QUESTION, 1);
        wire_put(&writer, WIRE_ATTR_TIMEOUT_MS, 1000);
        wire_put_string(&writer, WIRE_ATTR_SESSION_NAME, "firewall");
        wire_put(&writer, WIRE_ATTR_PROTOCOL, 6);
        wire_put(&writer, WIRE_ATTR_DIRECTION, NX_DIRECTION_OUTBOUND);
        wire_put_address(&writer, WIRE_ATTR_REMOTE_ADDRESS, &remote);
        wire_put(&writer, WIRE_ATTR_REMOTE_PORT, 443);
        wire_put_string(&writer, WIRE_ATTR_REMOTE_NAME, name);
        wire_put(&writer, WIRE_ATTR_UID, 1000);
        wire_put(&writer, WIRE_ATTR_PID, 7);
        wire_put(&writer, WIRE_ATTR_PROCESS_STARTED_NS, 77);
        wire_put_string(&writer, WIRE_ATTR_PROGRAM, program);
        wire_put(&writer, WIRE_ATTR_PROGRAM_TRUSTED, 1);
        assert_int_equal(wire_end(&writer), 0);
        return letter_from(&writer);
}

static int setup(void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        strcpy(fixture->path, "/tmp/netext-kept-XXXXXX");
        assert_non_null(mkdtemp(fixture->path));
        fixture->fd = open(fixture->path, O_DIRECTORY | O_CLOEXEC);
        kept_init(&fixture->kept);
        fixture->question = ask("/usr/bin/a b\xff", "example.org", "198.18.0.2");
        *state = fixture;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *fixture = *state;

        kept_deinit(&fixture->kept);
        free(fixture->question);
        (void)unlinkat(fixture->fd, ANSWERS_FILE, 0);
        close(fixture->fd);
        assert_int_equal(rmdir(fixture->path), 0);
        free(fixture);
        return 0;
}

static int keep(struct fixture *fixture, const struct letter *question, uint8_t verdict,
                enum wire_lifetime lifetime, uint8_t scope)
{
        _cleanup_free_ char *problem = NULL;

        return kept_add(&fixture->kept, "firewall", &question->message, verdict, lifetime, scope,
                        &problem);
}

static uint8_t found(struct fixture *fixture, const struct letter *question)
{
        const struct kept_answer *answer =
                kept_find(&fixture->kept, "firewall", &question->message);

        return answer ? (uint8_t)wire_get(&answer->entry->message, WIRE_ATTR_VERDICT) : 0;
}

static void test_the_newest_counts(void **state)
{
        struct fixture *fixture = *state;
        const struct letter *question = fixture->question;

        assert_int_equal(found(fixture, question), 0);
        assert_int_equal(
                keep(fixture, question, NX_VERDICT_ALLOW, WIRE_LIFETIME_EVER, WIRE_SCOPE_PORT), 0);
        assert_int_equal(found(fixture, question), NX_VERDICT_ALLOW);
        assert_int_equal(keep(fixture, question, NX_VERDICT_REFUSE, WIRE_LIFETIME_RUN, 0), 0);
        assert_int_equal(found(fixture, question), NX_VERDICT_REFUSE);
        assert_null(kept_find(&fixture->kept, "other", &question->message));
        kept_remove(kept_get(&fixture->kept, 2));
        assert_int_equal(found(fixture, question), NX_VERDICT_ALLOW);
        assert_null(kept_get(&fixture->kept, 2));
}

static void test_there_is_room_for_so_many(void **state)
{
        struct fixture *fixture = *state;
        const struct letter *question = fixture->question;

        for (int i = 0; i < KEPT_PER_SESSION_MAX; i++)
                assert_int_equal(keep(fixture, question, NX_VERDICT_ALLOW, WIRE_LIFETIME_EVER,
                                      WIRE_SCOPE_PORT),
                                 0);
        assert_int_equal(
                keep(fixture, question, NX_VERDICT_ALLOW, WIRE_LIFETIME_EVER, WIRE_SCOPE_PORT),
                -ENOSPC);
        for (int i = 0; i < KEPT_PER_SESSION_MAX + 5; i++)
                assert_int_equal(keep(fixture, question, NX_VERDICT_ALLOW, WIRE_LIFETIME_RUN, 0),
                                 0);
        assert_null(kept_get(&fixture->kept, KEPT_PER_SESSION_MAX + 5)); /* the oldest went */
        assert_non_null(kept_get(&fixture->kept, KEPT_PER_SESSION_MAX + 6));
}

static size_t count_in_file(struct fixture *fixture, const char *word)
{
        int fd = openat(fixture->fd, ANSWERS_FILE, O_RDONLY | O_CLOEXEC);
        char text[4096] = "";
        size_t n = 0;

        assert_in_range(read(fd, text, sizeof(text) - 1), 1, sizeof(text) - 1);
        close(fd);
        for (const char *at = text; (at = strstr(at, word)); at++)
                n++;
        return n;
}

static void test_what_is_for_ever_is_found_again(void **state)
{
        struct fixture *fixture = *state;
        _cleanup_(cleanup_letter) struct letter *numbered = ask("/bin/x", NULL, "fd00::1");

        assert_int_equal(record_load_answers(&fixture->kept, fixture->fd), -ENOENT);
        assert_int_equal(keep(fixture, fixture->question, NX_VERDICT_ALLOW, WIRE_LIFETIME_EVER,
                              WIRE_SCOPE_HOST),
                         0);
        assert_int_equal(
                keep(fixture, numbered, NX_VERDICT_REFUSE, WIRE_LIFETIME_EVER, WIRE_SCOPE_ALL), 0);
        assert_int_equal(keep(fixture, fixture->question, NX_VERDICT_REFUSE, WIRE_LIFETIME_RUN, 0),
                         0);
        assert_int_equal(record_save_answers(&fixture->kept, fixture->fd), 0);
        assert_int_equal(count_in_file(fixture, "\"ever\""), 2);
        assert_int_equal(count_in_file(fixture, "\"run\""), 0);
        kept_deinit(&fixture->kept);
        kept_init(&fixture->kept);
        assert_int_equal(record_load_answers(&fixture->kept, fixture->fd), 0);
        assert_int_equal(found(fixture, fixture->question), NX_VERDICT_ALLOW);
        assert_int_equal(found(fixture, numbered), NX_VERDICT_REFUSE);
        assert_non_null(kept_get(&fixture->kept, 2));
        assert_null(kept_get(&fixture->kept, 3)); /* that process is another netextd's affair */
        assert_int_equal(fixture->kept.last_number, 2);
}

static void write_file(struct fixture *fixture, const char *text)
{
        int fd = openat(fixture->fd, ANSWERS_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void test_what_makes_no_sense_is_left_out(void **state)
{
        struct fixture *fixture = *state;

        write_file(fixture, "[{");
        assert_int_equal(record_load_answers(&fixture->kept, fixture->fd), -EBADMSG);
        write_file(
                fixture,
                "[1, {}, {\"session\": \"firewall\"},"
                " {\"session\": \"firewall\", \"answer\": 1, \"verdict\": \"perhaps\","
                "  \"lifetime\": \"ever\", \"protocol\": \"tcp\", \"direction\": \"outbound\"},"
                " {\"session\": \"firewall\", \"answer\": 2, \"verdict\": \"allow\","
                "  \"lifetime\": \"run\", \"protocol\": \"tcp\", \"direction\": \"outbound\"},"
                " {\"session\": \"firewall\", \"answer\": 3, \"verdict\": \"allow\","
                "  \"lifetime\": \"ever\", \"protocol\": \"tcp\", \"direction\": \"outbound\","
                "  \"remote_address\": \"nowhere\"},"
                " {\"session\": \"firewall\", \"answer\": 4, \"verdict\": \"allow\","
                "  \"lifetime\": \"ever\", \"protocol\": \"tcp\", \"direction\": \"outbound\","
                "  \"program\": 5},"
                " {\"session\": \"firewall\", \"answer\": 5, \"verdict\": \"allow\","
                "  \"lifetime\": \"ever\", \"protocol\": \"tcp\", \"direction\": \"outbound\"}]");
        assert_int_equal(record_load_answers(&fixture->kept, fixture->fd), 0);
        for (uint64_t number = 0; number < 5; number++)
                assert_null(kept_get(&fixture->kept, number));
        assert_non_null(kept_get(&fixture->kept, 5));
}

int main(void)
{
#define kept_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        const struct CMUnitTest tests[] = {
                kept_test(test_the_newest_counts),
                kept_test(test_there_is_room_for_so_many),
                kept_test(test_what_is_for_ever_is_found_again),
                kept_test(test_what_makes_no_sense_is_left_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
