/* SPDX-License-Identifier: Apache-2.0 */

/* When a provider counts as thinking: only then do packets wait for its answers. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chain/session.h"

#define MS      1000000ULL
#define TIMEOUT (1000 * MS)

static void asked(struct session *session, struct flow *flow, uint64_t ago_ns)
{
        flow->deadline_ns = now_ns() - ago_ns + TIMEOUT;
        list_append(&session->asked, &flow->waiting);
}

static struct session *session_of(struct session *session)
{
        *session = (struct session){ .verdict_timeout_ns = TIMEOUT };
        list_init(&session->asked);
        return session;
}

static void test_who_was_asked_nothing_does_not_think(void **state)
{
        struct session session;

        assert_false(session_is_thinking(session_of(&session), 60000 * MS));
}

static void test_who_was_just_asked_thinks(void **state)
{
        struct session session;
        struct flow flow = {};

        asked(session_of(&session), &flow, 0);
        assert_true(session_is_thinking(&session, 60000 * MS));
}

static void test_who_takes_long_is_not_waited_for(void **state)
{
        struct session session;
        struct flow slow = {}, young = {};

        asked(session_of(&session), &slow, 500 * MS);
        asked(&session, &young, 0);
        assert_false(session_is_thinking(&session, 400 * MS));
        list_remove(&slow.waiting);
        assert_true(session_is_thinking(&session, 60000 * MS));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_who_was_asked_nothing_does_not_think),
                cmocka_unit_test(test_who_was_just_asked_thinks),
                cmocka_unit_test(test_who_takes_long_is_not_waited_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
