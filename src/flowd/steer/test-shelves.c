/* SPDX-License-Identifier: Apache-2.0 */

/* What is written is where the kernel looks for it, until something newer needs the place. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "steer/shelves.h"

#define EXTENSION 7
#define OTHER     8

static int set_up(void **state)
{
        *state = calloc(STEER_SHELVES, sizeof(struct steer_shelf));
        return *state ? 0 : -1;
}

static int tear_down(void **state)
{
        free(*state);
        return 0;
}

static void grant(struct steer_shelf *shelves, uint64_t flow, uint64_t extension, uint32_t uid)
{
        const struct steer_granted granted = { flow, extension, { .uid = uid } };

        shelves_grant(shelves, &granted);
}

/* As the kernel sees it: how many there are, and of which user the last one speaks. */
static unsigned int count_grants(const struct steer_shelf *shelves, uint64_t flow,
                                 uint64_t extension, uint32_t *ret_uid)
{
        const struct steer_shelf *shelf = &shelves[flow % STEER_SHELVES];
        unsigned int n = 0;

        for (size_t i = 0; i < STEER_SHELF_SIZE; i++)
                if (shelf->granted[i].flow == flow && shelf->granted[i].cgroup_id == extension) {
                        *ret_uid = shelf->granted[i].grant.uid;
                        n++;
                }
        return n;
}

static unsigned int count_deliveries(const struct steer_shelf *shelves, uint64_t cookie)
{
        const struct steer_shelf *shelf = &shelves[cookie % STEER_SHELVES];
        unsigned int n = 0;

        for (size_t i = 0; i < STEER_SHELF_SIZE; i++)
                n += shelf->delivered[i] == cookie;
        return n;
}

static void each_extension_has_its_own_grant(void **state)
{
        uint32_t uid = 0;

        grant(*state, 5, EXTENSION, 1);
        grant(*state, 5, OTHER, 2);
        assert_int_equal(count_grants(*state, 5, EXTENSION, &uid), 1);
        assert_int_equal(uid, 1);
        assert_int_equal(count_grants(*state, 5, OTHER, &uid), 1);
        assert_int_equal(uid, 2);
}

static void who_is_asked_again_has_the_newer_grant(void **state)
{
        uint32_t uid = 0;

        for (uint32_t i = 1; i <= 2 * STEER_SHELF_SIZE; i++)
                grant(*state, 5, EXTENSION, i);
        assert_int_equal(count_grants(*state, 5, EXTENSION, &uid), 1);
        assert_int_equal(uid, 2 * STEER_SHELF_SIZE);
}

static void the_oldest_makes_room(void **state)
{
        uint32_t uid;

        for (uint64_t i = 0; i <= STEER_SHELF_SIZE; i++)
                grant(*state, 5 + i * STEER_SHELVES, EXTENSION, 1);
        assert_int_equal(count_grants(*state, 5, EXTENSION, &uid), 0);
        for (uint64_t i = 1; i <= STEER_SHELF_SIZE; i++)
                assert_int_equal(count_grants(*state, 5 + i * STEER_SHELVES, EXTENSION, &uid), 1);
}

static void all_are_delivered_that_a_shelf_has_room_for(void **state)
{
        /* These would all begin with the same place. */
        const uint64_t step = STEER_SHELVES * STEER_SHELF_SIZE;

        for (uint64_t i = 0; i < STEER_SHELF_SIZE; i++)
                shelves_deliver(*state, 5 + i * step);
        for (uint64_t i = 0; i < STEER_SHELF_SIZE; i++)
                assert_int_equal(count_deliveries(*state, 5 + i * step), 1);
}

static void what_nobody_took_is_in_the_way_of_nothing(void **state)
{
        for (uint64_t cookie = 1; cookie < 4 * STEER_SHELVES * STEER_SHELF_SIZE; cookie++) {
                shelves_deliver(*state, cookie);
                assert_int_equal(count_deliveries(*state, cookie), 1);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(each_extension_has_its_own_grant),
                TEST(who_is_asked_again_has_the_newer_grant),
                TEST(the_oldest_makes_room),
                TEST(all_are_delivered_that_a_shelf_has_room_for),
                TEST(what_nobody_took_is_in_the_way_of_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
