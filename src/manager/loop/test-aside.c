/* SPDX-License-Identifier: Apache-2.0 */

/* Jobs that end, jobs that do not, and how many of them there may be. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "manager/loop/aside.h"
#include "manager/loop/timer.h"

/* It reads a byte, which may never come. */
struct job {
        int fd;
        char byte;
};

struct fixture {
        sd_event *event;
        int pipe[2];
        unsigned int n_done, n_late;
        char byte;
};

static unsigned int n_freed;

static void work(void *userdata)
{
        struct job *job = userdata;

        (void)!read(job->fd, &job->byte, 1);
}

static void free_job(void *job)
{
        n_freed++;
        free(job);
}

static struct aside_sort patient = { .work_fn = work, .free_fn = free_job, .max = 2 };
static struct aside_sort hasty = {
        .work_fn = work, .free_fn = free_job, .max = 1, .timeout_ms = 50
};

static void done(void *userdata, void *fixture_of_test)
{
        struct fixture *fixture = fixture_of_test;
        const struct job *job = userdata;

        fixture->n_late += !job;
        fixture->n_done += job != NULL;
        if (job)
                fixture->byte = job->byte;
}

static int set_up(void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        n_freed = 0;
        assert_true(sd_event_new(&fixture->event) >= 0);
        assert_int_equal(pipe(fixture->pipe), 0);
        *state = fixture;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;

        close(fixture->pipe[0]);
        close(fixture->pipe[1]);
        sd_event_unref(fixture->event);
        free(fixture);
        return 0;
}

static int begin(struct fixture *fixture, struct aside_sort *sort, struct aside **ret)
{
        struct job *job = calloc(1, sizeof(*job));
        int r;

        job->fd = fixture->pipe[0];
        r = aside_start(sort, fixture->event, job, done, fixture, ret);
        if (r < 0)
                free(job);
        return r;
}

/* Until the jobs of the sort have ended, or nothing came of it for a while. */
static void run(struct fixture *fixture, const struct aside_sort *sort)
{
        uint64_t began_ms = clock_now_ms();

        while (sort->n > 0 && clock_now_ms() - began_ms < 5000)
                assert_true(sd_event_run(fixture->event, 100000) >= 0);
        assert_int_equal(sort->n, 0);
}

static void test_a_job_is_told_when_it_is_done(void **state)
{
        struct fixture *fixture = *state;

        assert_int_equal(begin(fixture, &patient, NULL), 0);
        assert_int_equal(write(fixture->pipe[1], "x", 1), 1);
        run(fixture, &patient);
        assert_int_equal(fixture->n_done, 1);
        assert_int_equal(fixture->byte, 'x');
        assert_int_equal(n_freed, 1);
}

static void test_there_are_never_more_than_so_many(void **state)
{
        struct fixture *fixture = *state;

        assert_int_equal(begin(fixture, &patient, NULL), 0);
        assert_int_equal(begin(fixture, &patient, NULL), 0);
        assert_int_equal(begin(fixture, &patient, NULL), -EBUSY);
        assert_int_equal(write(fixture->pipe[1], "xy", 2), 2);
        run(fixture, &patient);
        assert_int_equal(begin(fixture, &patient, NULL), 0);
        assert_int_equal(write(fixture->pipe[1], "z", 1), 1);
        run(fixture, &patient);
        assert_int_equal(fixture->n_done, 3);
}

static void test_one_that_takes_too_long_is_not_waited_for_and_counts(void **state)
{
        struct fixture *fixture = *state;

        assert_int_equal(begin(fixture, &hasty, NULL), 0);
        while (fixture->n_late == 0)
                assert_true(sd_event_run(fixture->event, 1000000) >= 0);
        assert_int_equal(begin(fixture, &hasty, NULL), -EBUSY);
        assert_int_equal(n_freed, 0);
        assert_int_equal(write(fixture->pipe[1], "x", 1), 1);
        run(fixture, &hasty);
        assert_int_equal(fixture->n_late, 1);
        assert_int_equal(fixture->n_done, 0);
        assert_int_equal(n_freed, 1);
}

static void test_one_that_is_cancelled_is_not_told(void **state)
{
        struct fixture *fixture = *state;
        struct aside *aside;

        assert_int_equal(begin(fixture, &patient, &aside), 0);
        aside_cancel(aside);
        assert_int_equal(write(fixture->pipe[1], "x", 1), 1);
        run(fixture, &patient);
        assert_int_equal(fixture->n_done + fixture->n_late, 0);
        assert_int_equal(n_freed, 1);
}

#define aside_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                aside_test(test_a_job_is_told_when_it_is_done),
                aside_test(test_there_are_never_more_than_so_many),
                aside_test(test_one_that_takes_too_long_is_not_waited_for_and_counts),
                aside_test(test_one_that_is_cancelled_is_not_told),
        };

        return cmocka_run_group_tests_name("aside", tests, NULL, NULL);
}
