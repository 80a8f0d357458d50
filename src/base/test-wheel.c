/* SPDX-License-Identifier: Apache-2.0 */

/* Deadlines around one tick, and far away by a clock that these tests turn themselves. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/wheel.h"

#define NS_PER_S 1000000000ULL
#define START_NS (1000 * NS_PER_S)

static uint64_t clock_now_ns;

/* The loop's and the wheel's clock, here instead of the C library's. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
        ts->tv_sec = (time_t)(clock_now_ns / NS_PER_S);
        ts->tv_nsec = (long)(clock_now_ns % NS_PER_S);
        return 0;
}

struct entry {
        struct wheel_timer timer;
        unsigned int n_told;
        uint64_t told_ns;
        uint64_t again_ns;            /* started again for then, once */
        struct wheel_timer *stops;    /* when it is told */
        struct wheel_timer *replaces; /* starts that one for again_ns */
};

struct table {
        struct loop loop;
        struct wheel wheel;
};

static void on_due(struct wheel_timer *timer, void *userdata)
{
        struct entry *entry = container_of(timer, struct entry, timer);
        struct table *table = userdata;
        uint64_t again_ns = entry->again_ns;

        entry->n_told++;
        entry->told_ns = clock_now_ns;
        entry->again_ns = 0;
        if (entry->stops)
                wheel_timer_stop(entry->stops);
        if (again_ns)
                wheel_timer_start(&table->wheel, entry->replaces ? entry->replaces : timer,
                                  again_ns);
}

/* Goes to the loop's next deadline as long as that is not behind end_ns. How often it woke up. */
static unsigned int turn_to(struct table *table, uint64_t end_ns)
{
        struct loop_timer *first;
        unsigned int n = 0;

        while ((first = list_first(&table->loop.timers, struct loop_timer, link)) &&
               first->deadline_ns <= end_ns) {
                if (first->deadline_ns > clock_now_ns)
                        clock_now_ns = first->deadline_ns;
                list_remove(&first->link);
                assert_int_equal(first->fn(first->userdata), 0);
                n++;
        }
        clock_now_ns = end_ns;
        return n;
}

static int setup(void **state)
{
        struct table *table = malloc(sizeof(*table));

        clock_now_ns = START_NS;
        *table = (struct table){};
        list_init(&table->loop.timers);
        wheel_init(&table->wheel, &table->loop, on_due, table);
        *state = table;
        return 0;
}

static int teardown(void **state)
{
        struct table *table = *state;

        wheel_deinit(&table->wheel);
        assert_true(list_is_empty(&table->loop.timers));
        free(table);
        return 0;
}

static void start(struct table *table, struct entry *entry, uint64_t after_ns)
{
        wheel_timer_init(&entry->timer);
        wheel_timer_start(&table->wheel, &entry->timer, clock_now_ns + after_ns);
}

static void a_deadline_is_told_within_a_tick_and_never_before_it(void **state)
{
        static const uint64_t deadlines[] = {
                0,
                1,
                WHEEL_TICK_NS - 1,
                WHEEL_TICK_NS,
                WHEEL_TICK_NS + 1,
                NS_PER_S,
                WHEEL_SLOTS * WHEEL_TICK_NS - 1,
                WHEEL_SLOTS * WHEEL_TICK_NS,
                WHEEL_SLOTS * WHEEL_TICK_NS + 1,
                300 * NS_PER_S + 123456,
                3600 * NS_PER_S,
        };
        struct entry entries[ARRAY_SIZE(deadlines)] = {};
        struct table *table = *state;

        clock_now_ns += 12345;
        for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++)
                start(table, &entries[i], deadlines[i]);
        turn_to(table, START_NS + 4000 * NS_PER_S);
        for (size_t i = 0; i < ARRAY_SIZE(deadlines); i++) {
                uint64_t deadline = START_NS + 12345 + deadlines[i];

                assert_int_equal(entries[i].n_told, 1);
                assert_in_range(entries[i].told_ns, deadline, deadline + WHEEL_TICK_NS);
        }
}

static void an_empty_wheel_wakes_nobody(void **state)
{
        struct table *table = *state;
        struct entry entry = {};

        start(table, &entry, NS_PER_S);
        wheel_timer_stop(&entry.timer);
        assert_int_equal(turn_to(table, START_NS + 1000 * NS_PER_S), 1);
        assert_int_equal(entry.n_told, 0);
        start(table, &entry, NS_PER_S);
        assert_int_equal(turn_to(table, clock_now_ns + 1000 * NS_PER_S), 1);
        assert_int_equal(entry.n_told, 1);
}

static void one_that_is_far_away_wakes_up_once_in_a_turn(void **state)
{
        struct table *table = *state;
        struct entry entry = {};

        start(table, &entry, 3600 * NS_PER_S);
        assert_in_range(turn_to(table, START_NS + 3600 * NS_PER_S), 56, 58);
        assert_int_equal(entry.n_told, 1);
}

static void one_that_runs_can_be_moved(void **state)
{
        struct table *table = *state;
        struct entry entry = {};

        start(table, &entry, NS_PER_S);
        wheel_timer_start(&table->wheel, &entry.timer, START_NS + 100 * NS_PER_S);
        turn_to(table, START_NS + 99 * NS_PER_S);
        assert_int_equal(entry.n_told, 0);
        wheel_timer_start(&table->wheel, &entry.timer, clock_now_ns + NS_PER_S / 2);
        turn_to(table, START_NS + 100 * NS_PER_S);
        assert_int_equal(entry.n_told, 1);
}

static void a_sooner_one_is_told_first(void **state)
{
        struct entry late = {}, soon = {};
        struct table *table = *state;

        start(table, &late, 50 * NS_PER_S);
        turn_to(table, START_NS + 20 * NS_PER_S);
        start(table, &soon, NS_PER_S);
        turn_to(table, START_NS + 22 * NS_PER_S);
        assert_int_equal(soon.n_told, 1);
        turn_to(table, START_NS + 51 * NS_PER_S);
        assert_int_equal(late.n_told, 1);
}

static void what_is_told_starts_and_stops_itself_and_others(void **state)
{
        struct entry again = { .again_ns = START_NS + 5 * NS_PER_S }, stopped = {}, stops = {},
                     other = {}, starts = { .again_ns = START_NS + 70 * NS_PER_S };
        struct table *table = *state;

        stops.stops = &stopped.timer;
        starts.replaces = &other.timer;
        wheel_timer_init(&other.timer);
        start(table, &again, NS_PER_S);
        start(table, &stops, NS_PER_S);
        start(table, &stopped, NS_PER_S);
        start(table, &starts, NS_PER_S);
        turn_to(table, START_NS + 2 * NS_PER_S);
        assert_int_equal(again.n_told, 1);
        assert_int_equal(stops.n_told, 1);
        assert_int_equal(stopped.n_told, 0);
        turn_to(table, START_NS + 69 * NS_PER_S);
        assert_int_equal(again.n_told, 2);
        assert_int_equal(other.n_told, 0);
        turn_to(table, START_NS + 71 * NS_PER_S);
        assert_int_equal(other.n_told, 1);
}

/* The loop was busy, or the machine asleep. */
static void what_was_missed_is_told_late_and_once(void **state)
{
        struct table *table = *state;
        struct entry entries[600] = {};

        for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
                start(table, &entries[i], i * WHEEL_TICK_NS);
        clock_now_ns += 100000 * NS_PER_S;
        turn_to(table, clock_now_ns);
        for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
                assert_int_equal(entries[i].n_told, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        static const struct CMUnitTest tests[] = {
                TEST(a_deadline_is_told_within_a_tick_and_never_before_it),
                TEST(an_empty_wheel_wakes_nobody),
                TEST(one_that_is_far_away_wakes_up_once_in_a_turn),
                TEST(one_that_runs_can_be_moved),
                TEST(a_sooner_one_is_told_first),
                TEST(what_is_told_starts_and_stops_itself_and_others),
                TEST(what_was_missed_is_told_late_and_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
