/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What may wait for somebody who does not answer, beside the loop: each job in a thread of its own.
 * The thread has the job to itself until it is done with it; who asked hears of it in the loop.
 */

#include <stdint.h>
#include <systemd/sd-event.h>

struct aside;

/* In the thread. Nothing but the job may be touched. */
typedef void aside_work_fn(void *job);
typedef void aside_free_fn(void *job);
/* job: is freed after this; NULL: it took too long, and goes on without anybody waiting for it. */
typedef void aside_done_fn(void *job, void *userdata);

/* One for each sort of job. */
struct aside_sort {
        aside_work_fn *work_fn;
        aside_free_fn *free_fn;
        unsigned int max;    /* jobs at once; those that never end are among them */
        uint64_t timeout_ms; /* 0: none */
        unsigned int n;      /* jobs now */
};

/*
 * Takes job over on success, and done_fn is called once, later. 0; or negative errno, -EBUSY where
 * sort->max are under way. ret_aside: to cancel it; may be NULL.
 */
int aside_start(struct aside_sort *sort, sd_event *event, void *job, aside_done_fn *done_fn,
                void *userdata, struct aside **ret_aside);
/* done_fn is not called any more. NULL is fine. */
void aside_cancel(struct aside *aside);
