/* SPDX-License-Identifier: Apache-2.0 */

/* Who made a socket is known until its place is a later one's, and of none that was not seen. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "steer/creators.h"

static struct steer_creator creators[STEER_CREATORS];

static void make(uint64_t cookie, uint32_t tgid)
{
        creators[cookie % STEER_CREATORS] =
                (struct steer_creator){ .cookie = cookie, .process.tgid = tgid };
}

static void a_maker_is_known_until_the_place_is_needed(void **state)
{
        struct steer_process_key process;

        make(7, 100);
        assert_true(creators_find(creators, 7, &process));
        assert_int_equal(process.tgid, 100);
        make(7 + STEER_CREATORS, 200);
        assert_false(creators_find(creators, 7, &process));
        assert_true(creators_find(creators, 7 + STEER_CREATORS, &process));
        assert_int_equal(process.tgid, 200);
}

static void what_was_not_seen_has_no_maker(void **state)
{
        struct steer_process_key process;

        assert_false(creators_find(creators, 8, &process));
        assert_false(creators_find(creators, 0, &process));
        assert_false(creators_find(creators, STEER_CREATORS, &process));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_maker_is_known_until_the_place_is_needed),
                cmocka_unit_test(what_was_not_seen_has_no_maker),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
