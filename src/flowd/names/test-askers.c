/* SPDX-License-Identifier: Apache-2.0 */

/* Who asked for a name is known for a moment, and nobody pushes others out by asking much. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "names/askers.h"

#define NS_PER_S 1000000000ULL

static const struct resolver here = { 1, 2 }, there = { 1, 3 };
static const struct steer_process_key curl = { .tgid = 7, .start_ns = 1 };
static const struct steer_process_key later_curl = { .tgid = 7, .start_ns = 2 };
static const struct steer_process_key flooder = { .tgid = 8, .start_ns = 1 };

static int setup(void **state)
{
        static struct askers askers;

        askers_init(&askers);
        *state = &askers;
        return 0;
}

static int teardown(void **state)
{
        askers_deinit(*state);
        return 0;
}

static void who_asked_is_known_for_a_moment(void **state)
{
        struct steer_process_key first = {};

        askers_note(*state, &here, "a.test", &curl, NS_PER_S);
        assert_int_equal(askers_find(*state, &here, "a.test", 6 * NS_PER_S, &first), 1);
        assert_int_equal(first.tgid, curl.tgid);
        assert_int_equal(askers_find(*state, &here, "b.test", 6 * NS_PER_S, &first), 0);
        assert_int_equal(askers_find(*state, &there, "a.test", 6 * NS_PER_S, &first), 0);
        assert_int_equal(askers_find(*state, &here, "a.test", 6 * NS_PER_S + 1, &first), 0);
}

static void one_that_asks_twice_is_one_and_two_are_several(void **state)
{
        struct steer_process_key first = {};

        askers_note(*state, &here, "a.test", &curl, 1);
        askers_note(*state, &here, "a.test", &curl, 2);
        assert_int_equal(askers_find(*state, &here, "a.test", 3, &first), 1);
        askers_note(*state, &here, "a.test", &later_curl, 4);
        askers_note(*state, &here, "a.test", &flooder, 5);
        assert_int_equal(askers_find(*state, &here, "a.test", 6, &first), 2);
        assert_int_equal(first.start_ns, curl.start_ns);
}

static void who_asks_much_forgets_its_own(void **state)
{
        struct steer_process_key first = {};
        char name[32];

        askers_note(*state, &here, "a.test", &curl, 1);
        for (int i = 0; i < 2 * ASKERS_MAX; i++) {
                snprintf(name, sizeof(name), "%d.test", i);
                askers_note(*state, &here, name, &flooder, 2);
        }
        assert_int_equal(askers_find(*state, &here, "a.test", 3, &first), 1);
        assert_int_equal(askers_find(*state, &here, name, 3, &first), 1);
        assert_int_equal(askers_find(*state, &here, "0.test", 3, &first), 0);
}

static void many_programs_forget_the_oldest(void **state)
{
        struct steer_process_key first = {}, program = {};

        for (__u32 i = 0; i < ASKERS_MAX + 1; i++) {
                program.tgid = i;
                askers_note(*state, &here, i == 0 ? "first.test" : "a.test", &program, 1);
        }
        assert_int_equal(askers_find(*state, &here, "first.test", 2, &first), 0);
        assert_int_equal(askers_find(*state, &here, "a.test", 2, &first), 2);
        assert_int_equal(first.tgid, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(who_asked_is_known_for_a_moment, setup, teardown),
                cmocka_unit_test_setup_teardown(one_that_asks_twice_is_one_and_two_are_several,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(who_asks_much_forgets_its_own, setup, teardown),
                cmocka_unit_test_setup_teardown(many_programs_forget_the_oldest, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
