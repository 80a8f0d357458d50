/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Questions on a system bus that accepts connections and says nothing: whatever comes of them,
 * each has one answer and nothing of it stays. What polkit says is the scenarios' subject.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manager/authority/authority.h"

#define ROUND_US 10000

struct fixture {
        char folder[32];
        char path[64];
        int listen_fd;
        sd_event *event;
        struct authority authority;
        unsigned int n_answers;
        char why[256]; /* of the last one */
};

static void open_bus(struct fixture *fixture)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        strcpy(address.sun_path, fixture->path);
        (void)unlink(fixture->path);
        fixture->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_return_code(bind(fixture->listen_fd, (struct sockaddr *)&address, sizeof(address)),
                           errno);
        assert_return_code(listen(fixture->listen_fd, 1), errno);
}

/* With whoever is connected. */
static void close_bus(struct fixture *fixture)
{
        close_fd(accept(fixture->listen_fd, NULL, NULL));
        fixture->listen_fd = close_fd(fixture->listen_fd);
}

static int setup(void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));
        char value[80];

        strcpy(fixture->folder, "/tmp/netext-bus-XXXXXX");
        assert_non_null(mkdtemp(fixture->folder));
        snprintf(fixture->path, sizeof(fixture->path), "%s/socket", fixture->folder);
        snprintf(value, sizeof(value), "unix:path=%s", fixture->path);
        setenv("DBUS_SYSTEM_BUS_ADDRESS", value, 1);
        open_bus(fixture);
        assert_return_code(sd_event_new(&fixture->event), 0);
        authority_init(&fixture->authority, fixture->event);
        *state = fixture;
        return 0;
}

static int teardown(void **state)
{
        struct fixture *fixture = *state;

        assert_int_equal(fixture->authority.n_questions, 0);
        assert_true(list_is_empty(&fixture->authority.questions));
        authority_deinit(&fixture->authority);
        sd_event_unref(fixture->event);
        close_fd(fixture->listen_fd);
        (void)unlink(fixture->path);
        (void)rmdir(fixture->folder);
        free(fixture);
        return 0;
}

static void answered(const char *why, void *userdata)
{
        struct fixture *fixture = userdata;

        fixture->n_answers++;
        snprintf(fixture->why, sizeof(fixture->why), "%s", why ?: "");
}

static struct caller caller_of(uid_t uid)
{
        return (struct caller){ .uid = uid, .pid = getpid(), .started_ticks = 1 };
}

/* NULL, and why it was refused at once. */
static struct authority_question *ask_as(struct fixture *fixture, const struct caller *caller,
                                         bool may_ask)
{
        const struct authority_matter matter = { AUTHORITY_SESSION_STOP, "session", "firewall" };
        struct authority_question *question = NULL;
        _cleanup_free_ char *why = NULL;
        int r = authority_ask(&fixture->authority, caller, &matter, may_ask, answered, fixture,
                              &question, &why);

        assert_int_equal(r, question ? 0 : -EACCES);
        if (why)
                snprintf(fixture->why, sizeof(fixture->why), "%s", why);
        return question;
}

static struct authority_question *ask(struct fixture *fixture, uid_t uid)
{
        struct caller caller = caller_of(uid);

        return ask_as(fixture, &caller, false);
}

static void wait_for_answers(struct fixture *fixture, unsigned int n)
{
        for (int rounds = 0; fixture->n_answers < n && rounds < 300; rounds++)
                assert_return_code(sd_event_run(fixture->event, ROUND_US), 0);
        assert_int_equal(fixture->n_answers, n);
}

static void test_silence_is_a_no_when_its_time_is_over(void **state)
{
        struct fixture *fixture = *state;

        fixture->authority.answer_timeout_ms = 50;
        assert_non_null(ask(fixture, 1000));
        assert_int_equal(fixture->n_answers, 0);
        wait_for_answers(fixture, 1);
        assert_string_equal(fixture->why, "only an administrator may stop sessions, and polkit did "
                                          "not answer in time; use sudo");
}

static void test_a_person_has_more_time(void **state)
{
        struct caller caller = caller_of(1000);
        struct fixture *fixture = *state;
        struct authority_question *question;

        fixture->authority.answer_timeout_ms = 20;
        question = ask_as(fixture, &caller, true);
        assert_non_null(ask(fixture, 1000));
        wait_for_answers(fixture, 1);
        for (int rounds = 0; rounds < 5; rounds++)
                assert_return_code(sd_event_run(fixture->event, ROUND_US), 0);
        assert_int_equal(fixture->n_answers, 1);
        authority_withdraw(question);
}

static void test_a_bus_that_goes_is_a_no_until_it_comes_back(void **state)
{
        struct fixture *fixture = *state;

        assert_non_null(ask(fixture, 1000));
        assert_non_null(ask(fixture, 1001));
        close_bus(fixture);
        wait_for_answers(fixture, 2);
        assert_non_null(strstr(fixture->why, "polkit cannot say who else may"));
        assert_null(ask(fixture, 1000));
        assert_non_null(strstr(fixture->why, "no system bus"));
        open_bus(fixture);
        authority_withdraw(ask(fixture, 1000));
}

static void test_who_withdraws_hears_nothing(void **state)
{
        struct fixture *fixture = *state;

        fixture->authority.answer_timeout_ms = 20;
        authority_withdraw(ask(fixture, 1000));
        for (int rounds = 0; rounds < 5; rounds++)
                assert_return_code(sd_event_run(fixture->event, ROUND_US), 0);
        assert_int_equal(fixture->n_answers, 0);
}

static void test_questions_are_charged_to_their_user(void **state)
{
        struct fixture *fixture = *state;
        unsigned int n = 0;

        fixture->authority.answer_timeout_ms = 100;
        for (uid_t uid = 1000; n < AUTHORITY_QUESTIONS_MAX; uid++) {
                for (int i = 0; i < AUTHORITY_QUESTIONS_PER_USER; i++, n++)
                        assert_non_null(ask(fixture, uid));
                if (n < AUTHORITY_QUESTIONS_MAX) {
                        assert_null(ask(fixture, uid));
                        assert_non_null(strstr(fixture->why, "of your questions"));
                }
        }
        assert_null(ask(fixture, 2000));
        assert_non_null(strstr(fixture->why, "as many questions as may be"));
        wait_for_answers(fixture, n);
        authority_withdraw(ask(fixture, 1000));
}

static void test_who_cannot_be_named_cannot_be_asked_about(void **state)
{
        struct fixture *fixture = *state;
        struct caller gone = caller_of(1000), elsewhere = caller_of(1000);

        gone.started_ticks = 0;
        elsewhere.pid = 0;
        assert_null(ask_as(fixture, &gone, false));
        assert_null(ask_as(fixture, &elsewhere, false));
        assert_non_null(strstr(fixture->why, "the process that connected is gone"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_silence_is_a_no_when_its_time_is_over),
                TEST(test_a_person_has_more_time),
                TEST(test_a_bus_that_goes_is_a_no_until_it_comes_back),
                TEST(test_who_withdraws_hears_nothing),
                TEST(test_questions_are_charged_to_their_user),
                TEST(test_who_cannot_be_named_cannot_be_asked_about),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
