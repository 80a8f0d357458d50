/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The loop with real descriptors and deadlines of a few milliseconds. Nothing here
 * asserts that something was fast, only that it happened, and in which order.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/loop.h"

#define NS_PER_MS 1000000ULL

/* One letter for each callback, in the order in which they ran. */
struct record {
        struct loop loop;
        char letters[64];
        size_t n;
};

struct entry {
        struct record *record;
        char letter;
        int result;
        struct loop_timer timer;
        struct loop_io io;
        struct loop_io *removes; /* by the callback */
};

static void note(struct entry *entry)
{
        struct record *record = entry->record;

        assert_in_range(record->n, 0, sizeof(record->letters) - 2);
        record->letters[record->n++] = entry->letter;
}

static int handle_timer(void *userdata)
{
        struct entry *entry = userdata;

        note(entry);
        return entry->result;
}

static int handle_io(uint32_t events, void *userdata)
{
        struct entry *entry = userdata;
        char byte;

        note(entry);
        if (events & EPOLLIN)
                assert_int_equal(read(entry->io.fd, &byte, 1), 1);
        if (entry->removes) {
                loop_remove(&entry->record->loop, entry->removes);
                *entry->removes = (struct loop_io){}; /* is something else from now on */
        }
        return entry->result;
}

static int handle_round(void *userdata)
{
        struct entry *entry = userdata;

        note(entry);
        return entry->result;
}

static int set_up(void **state)
{
        struct record *record = calloc(1, sizeof(*record));

        *state = record;
        return record ? loop_init(&record->loop) : -ENOMEM;
}

static int tear_down(void **state)
{
        struct record *record = *state;

        loop_deinit(&record->loop);
        loop_deinit(&record->loop);
        free(record);
        return 0;
}

static void init_entry(struct record *record, struct entry *entry, char letter)
{
        *entry = (struct entry){ .record = record, .letter = letter, .io = LOOP_IO_NULL };
        loop_timer_init(&entry->timer, handle_timer, entry);
}

/* Dispatches until n callbacks ran, at most for a second. */
static void run_until(struct record *record, size_t n)
{
        uint64_t deadline = now_ns() + 1000 * NS_PER_MS;

        while (record->n < n && now_ns() < deadline)
                assert_return_code(loop_dispatch(&record->loop, 100), 0);
}

static void test_timers_run_by_deadline(void **state)
{
        static const unsigned int delays_ms[] = { 30, 10, 20, 10, 0 };
        struct entry entries[ARRAY_SIZE(delays_ms)];
        struct record *record = *state;
        uint64_t start = now_ns();

        for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
                init_entry(record, &entries[i], (char)('a' + i));
                loop_timer_start(&record->loop, &entries[i].timer,
                                 start + delays_ms[i] * NS_PER_MS);
        }
        run_until(record, ARRAY_SIZE(entries));
        assert_string_equal(record->letters, "ebdca");
        assert_true(now_ns() >= start + 30 * NS_PER_MS);
        assert_true(list_is_empty(&record->loop.timers));
}

static void test_timer_restarted_and_stopped(void **state)
{
        struct record *record = *state;
        struct entry a, b, c;
        uint64_t start = now_ns();

        init_entry(record, &a, 'a');
        init_entry(record, &b, 'b');
        init_entry(record, &c, 'c');
        loop_timer_stop(&a.timer);
        loop_timer_start(&record->loop, &a.timer, start + 2 * NS_PER_MS);
        loop_timer_start(&record->loop, &b.timer, start + 4 * NS_PER_MS);
        loop_timer_start(&record->loop, &c.timer, start + 3 * NS_PER_MS);
        loop_timer_start(&record->loop, &a.timer, start + 6 * NS_PER_MS);
        loop_timer_stop(&c.timer);
        loop_timer_stop(&c.timer);
        run_until(record, 2);
        assert_string_equal(record->letters, "ba");
}

/* A deadline that has passed is due at once, also the one that means "now" to many: 0. */
static void test_timer_in_the_past(void **state)
{
        struct record *record = *state;
        struct entry a, b;

        init_entry(record, &a, 'a');
        init_entry(record, &b, 'b');
        loop_timer_start(&record->loop, &a.timer, 1);
        run_until(record, 1);
        loop_timer_start(&record->loop, &b.timer, 0);
        run_until(record, 2);
        assert_string_equal(record->letters, "ab");
}

/* The timerfd is armed for the later one already when the earlier one comes. */
static void test_earlier_timer_comes_later(void **state)
{
        struct record *record = *state;
        struct entry late, early;

        init_entry(record, &late, 'l');
        init_entry(record, &early, 'e');
        loop_timer_start(&record->loop, &late.timer, now_ns() + 3600 * 1000 * NS_PER_MS);
        assert_int_equal(loop_dispatch(&record->loop, 0), 0);
        loop_timer_start(&record->loop, &early.timer, now_ns() + 2 * NS_PER_MS);
        run_until(record, 1);
        assert_string_equal(record->letters, "e");
        loop_timer_stop(&late.timer);
}

static void test_errors_end_the_run(void **state)
{
        struct record *record = *state;
        struct entry a, b;

        init_entry(record, &a, 'a');
        init_entry(record, &b, 'b');
        a.result = -EIO;
        loop_timer_start(&record->loop, &a.timer, 1);
        loop_timer_start(&record->loop, &b.timer, 2);
        assert_int_equal(loop_run(&record->loop), -EIO);
        assert_string_equal(record->letters, "a");
        run_until(record, 2);
        assert_string_equal(record->letters, "ab");
}

static int stop_loop(void *userdata)
{
        loop_stop(userdata);
        return 0;
}

static void test_stop(void **state)
{
        struct record *record = *state;
        struct loop_timer timer;

        loop_timer_init(&timer, stop_loop, &record->loop);
        loop_timer_start(&record->loop, &timer, 1);
        assert_int_equal(loop_run(&record->loop), 0);
}

static void test_io_and_after_round(void **state)
{
        struct record *record = *state;
        _cleanup_fd_ int in = -1, out = -1;
        struct entry a, round;
        int fds[2];

        assert_return_code(pipe(fds), errno);
        in = fds[0];
        out = fds[1];
        init_entry(record, &a, 'a');
        init_entry(record, &round, '.');
        assert_int_equal(loop_add(&record->loop, &a.io, in, EPOLLIN, handle_io, &a), 0);
        loop_set_after_round(&record->loop, handle_round, &round);
        assert_int_equal(write(out, "xy", 2), 2);
        assert_int_equal(loop_dispatch(&record->loop, 1000), 0);
        assert_int_equal(loop_dispatch(&record->loop, 1000), 0);
        assert_string_equal(record->letters, "a.a.");
        assert_int_equal(loop_modify(&record->loop, &a.io, 0), 0);
        assert_int_equal(write(out, "z", 1), 1);
        assert_int_equal(loop_dispatch(&record->loop, 0), 0);
        assert_string_equal(record->letters, "a.a..");
        assert_int_equal(loop_modify(&record->loop, &a.io, EPOLLIN), 0);
        a.result = -EPROTO;
        assert_int_equal(loop_dispatch(&record->loop, 1000), -EPROTO);
        loop_remove(&record->loop, &a.io);
        assert_int_equal(a.io.fd, -1);
        loop_remove(&record->loop, &a.io);
}

/* Both are ready in one round, and whichever runs first takes the other out of it and frees it. */
static void test_io_removed_in_its_round(void **state)
{
        struct record *record = *state;
        _cleanup_fd_ int in = -1, out = -1, second = -1;
        struct entry a, b;
        int fds[2];

        assert_return_code(pipe(fds), errno);
        in = fds[0];
        out = fds[1];
        second = dup(in);
        assert_return_code(second, errno);
        init_entry(record, &a, 'x');
        init_entry(record, &b, 'x');
        a.removes = &b.io;
        b.removes = &a.io;
        assert_int_equal(loop_add(&record->loop, &a.io, in, EPOLLIN, handle_io, &a), 0);
        assert_int_equal(loop_add(&record->loop, &b.io, second, EPOLLIN, handle_io, &b), 0);
        assert_int_equal(write(out, "xy", 2), 2);
        assert_int_equal(loop_dispatch(&record->loop, 1000), 0);
        assert_string_equal(record->letters, "x");
}

static void test_add_bad_descriptor(void **state)
{
        struct record *record = *state;
        struct entry a;

        init_entry(record, &a, 'a');
        assert_int_equal(loop_add(&record->loop, &a.io, 1000000, EPOLLIN, handle_io, &a), -EBADF);
        assert_int_equal(a.io.fd, -1);
}

#define loop_test(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
        static const struct CMUnitTest tests[] = {
                loop_test(test_timers_run_by_deadline), loop_test(test_timer_restarted_and_stopped),
                loop_test(test_timer_in_the_past),      loop_test(test_earlier_timer_comes_later),
                loop_test(test_errors_end_the_run),     loop_test(test_stop),
                loop_test(test_io_and_after_round),     loop_test(test_io_removed_in_its_round),
                loop_test(test_add_bad_descriptor),
        };

        return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
