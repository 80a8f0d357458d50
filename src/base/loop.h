/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A small epoll loop for the data path and the SDK, where sd-event would be more
 * than is needed. One thread. Descriptors and one-shot timers are embedded by
 * their users; the loop owns neither.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct epoll_event;
struct loop;

/* events: EPOLLIN and so on. Returns 0, or a negative errno that ends loop_run(). */
typedef int loop_io_fn(uint32_t events, void *userdata);
typedef int loop_timer_fn(void *userdata);

struct loop_io {
        int fd;
        loop_io_fn *fn;
        void *userdata;
};

struct loop_timer {
        struct list link; /* loop.timers, by deadline */
        uint64_t deadline_ns;
        loop_timer_fn *fn;
        void *userdata;
};

struct loop {
        int epoll_fd;
        int timer_fd;
        bool stopped;
        uint64_t armed_ns;
        struct list timers; /* loop_timer.link */
        struct epoll_event *round;
        int n_round; /* events of this wake-up */
        loop_timer_fn *after_round;
        void *after_round_userdata;
};

#define LOOP_IO_NULL                                                                               \
        {                                                                                          \
                .fd = -1                                                                           \
        }

int loop_init(struct loop *loop);
void loop_deinit(struct loop *loop);

/* io is borrowed until loop_remove(), which a callback may call for any; its fd stays the
 * caller's. */
int loop_add(struct loop *loop, struct loop_io *io, int fd, uint32_t events, loop_io_fn *fn,
             void *userdata);
int loop_modify(struct loop *loop, struct loop_io *io, uint32_t events);
void loop_remove(struct loop *loop, struct loop_io *io);

void loop_timer_init(struct loop_timer *timer, loop_timer_fn *fn, void *userdata);
void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t deadline_ns);
void loop_timer_stop(struct loop_timer *timer);

/* For who waits for epoll_fd elsewhere: it becomes readable when the next timer is due. */
void loop_arm(struct loop *loop);

/* fn runs once after the callbacks of each wake-up: the place to flush batches. */
void loop_set_after_round(struct loop *loop, loop_timer_fn *fn, void *userdata);

/* Waits at most timeout_ms (-1: for ever) and runs what is due. 0, or a callback's error. */
int loop_dispatch(struct loop *loop, int timeout_ms);
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* CLOCK_BOOTTIME, nanoseconds: deadlines go on during suspend. */
uint64_t now_ns(void);
