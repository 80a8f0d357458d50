/* SPDX-License-Identifier: Apache-2.0 */

/*
 * epoll plus one timerfd that is armed for the earliest deadline. Timers are kept
 * sorted; most callers add them in the order in which they expire, so insertion
 * walks from the end and is usually one step.
 */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/loop.h"

#define ROUND_EVENTS 64
#define NS_PER_S     1000000000ULL

uint64_t now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_BOOTTIME, &ts);
        return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

int loop_init(struct loop *loop)
{
        struct epoll_event event = { .events = EPOLLIN };

        *loop = (struct loop){ .epoll_fd = -1, .timer_fd = -1 };
        list_init(&loop->timers);
        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->epoll_fd < 0)
                return -errno;
        loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        if (loop->timer_fd < 0)
                return -errno;
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->timer_fd, &event) < 0)
                return -errno;
        return 0;
}

void loop_deinit(struct loop *loop)
{
        loop->timer_fd = close_fd(loop->timer_fd);
        loop->epoll_fd = close_fd(loop->epoll_fd);
}

int loop_add(struct loop *loop, struct loop_io *io, int fd, uint32_t events, loop_io_fn *fn,
             void *userdata)
{
        struct epoll_event event = { .events = events, .data.ptr = io };

        *io = (struct loop_io){ .fd = fd, .fn = fn, .userdata = userdata };
        if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                io->fd = -1;
                return -errno;
        }
        return 0;
}

int loop_modify(struct loop *loop, struct loop_io *io, uint32_t events)
{
        struct epoll_event event = { .events = events, .data.ptr = io };

        return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &event) < 0 ? -errno : 0;
}

/* What happened to io in this round is not told any more; its owner may free it. */
static void loop_forget(struct loop *loop, const struct loop_io *io)
{
        static struct loop_io nobody = LOOP_IO_NULL;

        for (int i = 0; i < loop->n_round; i++)
                if (loop->round[i].data.ptr == io)
                        loop->round[i].data.ptr = &nobody;
}

void loop_remove(struct loop *loop, struct loop_io *io)
{
        if (io->fd < 0)
                return;
        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
        loop_forget(loop, io);
        io->fd = -1;
}

void loop_timer_init(struct loop_timer *timer, loop_timer_fn *fn, void *userdata)
{
        *timer = (struct loop_timer){ .fn = fn, .userdata = userdata };
        list_init(&timer->link);
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t deadline_ns)
{
        struct list *after = loop->timers.prev;

        list_remove(&timer->link);
        if (after == &timer->link)
                after = loop->timers.prev;
        timer->deadline_ns = deadline_ns;
        while (after != &loop->timers &&
               container_of(after, struct loop_timer, link)->deadline_ns > deadline_ns)
                after = after->prev;
        list_append(after->next, &timer->link);
}

void loop_timer_stop(struct loop_timer *timer)
{
        list_remove(&timer->link);
}

void loop_set_after_round(struct loop *loop, loop_timer_fn *fn, void *userdata)
{
        loop->after_round = fn;
        loop->after_round_userdata = userdata;
}

/* Re-arms only when an earlier deadline appeared: a late wake-up is cheaper than a syscall a flow.
 */
void loop_arm(struct loop *loop)
{
        struct loop_timer *first = list_first(&loop->timers, struct loop_timer, link);
        struct itimerspec spec = {};

        if (!first || (loop->armed_ns && loop->armed_ns <= first->deadline_ns))
                return;
        /* 0 would disarm: what is due since ever is due since the first nanosecond. */
        loop->armed_ns = first->deadline_ns ? first->deadline_ns : 1;
        spec.it_value.tv_sec = (time_t)(loop->armed_ns / NS_PER_S);
        spec.it_value.tv_nsec = (long)(loop->armed_ns % NS_PER_S);
        (void)timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static int loop_run_timers(struct loop *loop)
{
        uint64_t now = now_ns(), expirations;
        struct loop_timer *timer;
        int r;

        (void)!read(loop->timer_fd, &expirations, sizeof(expirations));
        loop->armed_ns = 0;
        while ((timer = list_first(&loop->timers, struct loop_timer, link))) {
                if (timer->deadline_ns > now)
                        break;
                list_remove(&timer->link);
                r = timer->fn(timer->userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int loop_run_events(struct loop *loop)
{
        int r;

        for (int i = 0; i < loop->n_round; i++) {
                struct loop_io *io = loop->round[i].data.ptr;

                if (!io)
                        r = loop_run_timers(loop);
                else if (io->fd >= 0)
                        r = io->fn(loop->round[i].events, io->userdata);
                else
                        continue;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int loop_run_round(struct loop *loop, struct epoll_event *events, int n_events)
{
        int r;

        loop->round = events;
        loop->n_round = n_events;
        r = loop_run_events(loop);
        loop->round = NULL;
        loop->n_round = 0;
        if (r < 0)
                return r;
        return loop->after_round ? loop->after_round(loop->after_round_userdata) : 0;
}

int loop_dispatch(struct loop *loop, int timeout_ms)
{
        struct epoll_event events[ROUND_EVENTS];
        int n_events;

        loop_arm(loop);
        n_events = epoll_wait(loop->epoll_fd, events, ROUND_EVENTS, timeout_ms);
        if (n_events < 0)
                return errno == EINTR ? 0 : -errno;
        return loop_run_round(loop, events, n_events);
}

int loop_run(struct loop *loop)
{
        int r = 0;

        while (!loop->stopped && r >= 0)
                r = loop_dispatch(loop, -1);
        return r;
}

void loop_stop(struct loop *loop)
{
        loop->stopped = true;
}
