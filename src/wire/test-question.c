/* SPDX-License-Identifier: Apache-2.0 */

/* Which questions are the same, and which an answer that is kept is about. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netext/netext.h>

#include "base/endpoint.h"
#include "wire/question.h"

struct asked {
        const char *session, *program, *name, *address, *rule;
        uint16_t port, local_port;
        uint32_t uid, pid;
        uint8_t protocol, direction;
        bool untrusted;
};

static const struct asked base = {
        .session = "firewall",
        .program = "/usr/bin/curl",
        .address = "198.18.0.2",
        .port = 443,
        .local_port = 40000,
        .uid = 1000,
        .pid = 7,
        .protocol = 6,
        .direction = NX_DIRECTION_OUTBOUND,
};

/* The base, but for one field. */
#define BUT(original, field, value)                                                                \
        ({                                                                                         \
                struct asked _but = (original);                                                    \
                _but.field = (value);                                                              \
                _but;                                                                              \
        })

static struct letter *question(const struct asked *asked)
{
        uint8_t buffer[1024];
        struct wire_writer writer;
        struct in6_addr address;
        struct letter *letter;

        assert_int_equal(address_from_string(asked->address, &address), 0);
        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_MANAGER_QUESTION, 0);
        wire_put(&writer, WIRE_ATTR_QUESTION, 1);
        wire_put(&writer, WIRE_ATTR_TIMEOUT_MS, 1000);
        wire_put_string(&writer, WIRE_ATTR_SESSION_NAME, asked->session);
        wire_put_string(&writer, WIRE_ATTR_RULE, asked->rule);
        wire_put(&writer, WIRE_ATTR_PROTOCOL, asked->protocol);
        wire_put(&writer, WIRE_ATTR_DIRECTION, asked->direction);
        wire_put(&writer, WIRE_ATTR_LOCAL_PORT, asked->local_port);
        wire_put_address(&writer, WIRE_ATTR_REMOTE_ADDRESS, &address);
        wire_put(&writer, WIRE_ATTR_REMOTE_PORT, asked->port);
        wire_put_string(&writer, WIRE_ATTR_REMOTE_NAME, asked->name);
        wire_put(&writer, WIRE_ATTR_UID, asked->uid);
        if (asked->program) {
                wire_put(&writer, WIRE_ATTR_PID, asked->pid);
                wire_put(&writer, WIRE_ATTR_PROCESS_STARTED_NS, asked->pid * 1000ULL);
                wire_put_string(&writer, WIRE_ATTR_PROGRAM, asked->program);
                wire_put(&writer, WIRE_ATTR_PROGRAM_TRUSTED, !asked->untrusted);
        }
        assert_int_equal(wire_end(&writer), 0);
        letter = letter_from(&writer);
        assert_non_null(letter);
        return letter;
}

static bool are_same(struct asked a, struct asked b)
{
        _cleanup_(cleanup_letter) struct letter *one = question(&a), *other = question(&b);
        bool same = question_is_same(&one->message, &other->message);

        assert_int_equal(question_is_same(&other->message, &one->message), same);
        return same;
}

static void test_flows_of_a_process_to_one_host_and_port_are_one_question(void **state)
{
        const struct asked named = BUT(base, name, "example.org");
        const struct asked others[] = {
                BUT(base, session, "other"),
                BUT(base, program, "/usr/bin/wget"),
                BUT(base, address, "198.18.0.3"),
                BUT(base, port, 80),
                BUT(base, uid, 0),
                BUT(base, pid, 8),
                BUT(base, protocol, 17),
                BUT(base, direction, NX_DIRECTION_INBOUND),
                BUT(base, untrusted, true),
                BUT(base, rule, "rules:1"),
                BUT(base, name, "example.org"),
                BUT(base, program, NULL),
        };

        assert_true(are_same(base, BUT(base, local_port, 40001)));
        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                assert_false(are_same(base, others[i]));
        assert_true(are_same(named, BUT(named, address, "fd00::1")));
}

static void test_the_port_of_a_visitor_does_not_matter(void **state)
{
        const struct asked visit = BUT(base, direction, NX_DIRECTION_INBOUND);

        assert_true(are_same(visit, BUT(visit, port, 5)));
        assert_false(are_same(visit, BUT(visit, local_port, 5)));
}

static bool answers(const struct asked *asked, enum wire_lifetime lifetime, uint8_t scope,
                    const struct asked *later)
{
        _cleanup_(cleanup_letter) struct letter *first = question(asked), *next = question(later);
        _cleanup_(cleanup_letter) struct letter *answer = NULL;

        answer = question_keep(&first->message, 9, NX_VERDICT_REFUSE, lifetime, scope);
        assert_non_null(answer);
        assert_int_equal(wire_get(&answer->message, WIRE_ATTR_ANSWER), 9);
        assert_int_equal(wire_get(&answer->message, WIRE_ATTR_VERDICT), NX_VERDICT_REFUSE);
        assert_true(question_is_answered(&first->message, &answer->message));
        return question_is_answered(&next->message, &answer->message);
}

static void test_an_answer_is_about_what_it_says(void **state)
{
        const struct asked asked = BUT(base, name, "example.org");
        const struct asked program = BUT(asked, program, "/bin/x");
        const struct asked host = BUT(asked, name, "example.net");
        const struct asked port = BUT(asked, port, 80), process = BUT(asked, pid, 8);
        const struct asked address = BUT(asked, address, "fd00::1");
        const struct asked untrusted = BUT(asked, untrusted, true), user = BUT(asked, uid, 0);

        assert_false(answers(&asked, WIRE_LIFETIME_EVER, WIRE_SCOPE_PROGRAM, &program));
        assert_false(answers(&asked, WIRE_LIFETIME_EVER, WIRE_SCOPE_PROGRAM, &untrusted));
        assert_true(answers(&asked, WIRE_LIFETIME_EVER, WIRE_SCOPE_PROGRAM, &host));
        assert_true(answers(&asked, WIRE_LIFETIME_EVER, WIRE_SCOPE_PROGRAM, &port));
        assert_true(answers(&asked, WIRE_LIFETIME_EVER, WIRE_SCOPE_ALL, &process));
        assert_true(answers(&asked, WIRE_LIFETIME_EVER, WIRE_SCOPE_HOST, &program));
        assert_false(answers(&asked, WIRE_LIFETIME_EVER, WIRE_SCOPE_HOST, &host));
        assert_true(answers(&asked, WIRE_LIFETIME_EVER, WIRE_SCOPE_HOST, &address));
        assert_false(answers(&asked, WIRE_LIFETIME_EVER, WIRE_SCOPE_PORT, &port));
        assert_true(answers(&asked, WIRE_LIFETIME_EVER, WIRE_SCOPE_PORT, &host));
        assert_false(answers(&asked, WIRE_LIFETIME_EVER, WIRE_SCOPE_PORT, &user));
        assert_false(answers(&asked, WIRE_LIFETIME_RUN, 0, &process));
        assert_false(answers(&asked, WIRE_LIFETIME_RUN, 0, &program));
        assert_true(answers(&asked, WIRE_LIFETIME_RUN, 0, &host));
        assert_false(answers(&asked, WIRE_LIFETIME_RUN, WIRE_SCOPE_HOST, &host));
}

static const char *problem(const struct asked *asked, enum wire_lifetime lifetime, uint8_t scope)
{
        _cleanup_(cleanup_letter) struct letter *letter = question(asked);

        return question_problem(&letter->message, lifetime, scope);
}

static void test_what_is_not_known_cannot_be_kept(void **state)
{
        const struct asked unknown = BUT(base, program, NULL);
        const struct asked untrusted = BUT(base, untrusted, true);

        assert_null(problem(&unknown, WIRE_LIFETIME_ONCE, 0));
        assert_null(problem(&base, WIRE_LIFETIME_RUN, 0));
        assert_string_equal(problem(&unknown, WIRE_LIFETIME_RUN, WIRE_SCOPE_ALL),
                            "it is not known which process that is");
        assert_null(problem(&base, WIRE_LIFETIME_EVER, WIRE_SCOPE_ALL));
        assert_string_equal(problem(&base, WIRE_LIFETIME_EVER, 0),
                            "say whether it is by program, host or port");
        assert_string_equal(problem(&unknown, WIRE_LIFETIME_EVER, WIRE_SCOPE_ALL),
                            "it is not known which program that is");
        assert_null(problem(&unknown, WIRE_LIFETIME_EVER, WIRE_SCOPE_HOST | WIRE_SCOPE_PORT));
        assert_string_equal(problem(&untrusted, WIRE_LIFETIME_EVER, WIRE_SCOPE_PROGRAM),
                            "the program's path is one that its user could have arranged");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flows_of_a_process_to_one_host_and_port_are_one_question),
                cmocka_unit_test(test_the_port_of_a_visitor_does_not_matter),
                cmocka_unit_test(test_an_answer_is_about_what_it_says),
                cmocka_unit_test(test_what_is_not_known_cannot_be_kept),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
