/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A thread that waits for ever cannot be ended, so it stays, and is counted: what can be made to
 * hang is bounded. The end of a thread is told by its eventfd, after which it touches nothing.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "manager/loop/aside.h"
#include "manager/loop/timer.h"

struct aside {
        struct aside_sort *sort;
        void *job;
        aside_done_fn *done_fn; /* NULL: nobody waits any more */
        void *userdata;
        sd_event_source *source;
        sd_event_source *deadline;
        int done_fd;
};

static struct aside *aside_free(struct aside *aside)
{
        if (!aside)
                return NULL;
        sd_event_source_disable_unref(aside->source);
        timer_stop(&aside->deadline);
        close_fd(aside->done_fd);
        aside->sort->n--;
        free(aside);
        return NULL;
}
DEFINE_CLEANUP(struct aside *, aside, aside_free)

static void *run(void *userdata)
{
        struct aside *aside = userdata;
        const uint64_t one = 1;

        aside->sort->work_fn(aside->job);
        (void)!write(aside->done_fd, &one, sizeof(one)); /* all of it is the loop's from here on */
        return NULL;
}

static int done(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        _cleanup_(cleanup_aside) struct aside *aside = userdata;

        timer_stop(&aside->deadline);
        if (aside->done_fn)
                aside->done_fn(aside->job, aside->userdata);
        aside->sort->free_fn(aside->job);
        return 0;
}

void aside_cancel(struct aside *aside)
{
        if (!aside)
                return;
        aside->done_fn = NULL;
        timer_stop(&aside->deadline);
}

static int late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct aside *aside = userdata;
        aside_done_fn *done_fn = aside->done_fn;

        aside_cancel(aside);
        if (done_fn)
                done_fn(NULL, aside->userdata);
        return 0;
}

static int start_thread(struct aside *aside)
{
        pthread_t thread;
        int r;

        r = -pthread_create(&thread, NULL, run, aside);
        if (r >= 0)
                (void)pthread_detach(thread);
        return r;
}

int aside_start(struct aside_sort *sort, sd_event *event, void *job, aside_done_fn *done_fn,
                void *userdata, struct aside **ret_aside)
{
        _cleanup_(cleanup_aside) struct aside *aside = NULL;
        int r;

        if (sort->n >= sort->max)
                return -EBUSY;
        aside = calloc(1, sizeof(*aside));
        if (!aside)
                return -ENOMEM;
        sort->n++;
        aside->sort = sort;
        aside->job = job;
        aside->done_fn = done_fn;
        aside->userdata = userdata;
        aside->done_fd = eventfd(0, EFD_CLOEXEC);
        if (aside->done_fd < 0)
                return -errno;
        r = sd_event_add_io(event, &aside->source, aside->done_fd, EPOLLIN, done, aside);
        if (r >= 0 && sort->timeout_ms)
                r = timer_start(event, &aside->deadline, sort->timeout_ms, late, aside);
        if (r >= 0)
                r = start_thread(aside);
        if (r < 0)
                return r;
        if (ret_aside)
                *ret_aside = aside;
        (void)take_ptr(aside);
        return 0;
}
