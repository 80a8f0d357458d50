/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Thousands of deadlines that are far away, most of which are moved before they come, and
 * none of which has to be met exactly: what the loop's own timers, which are sorted, are not
 * for. A deadline is told WHEEL_TICK_NS after it at the latest, and never before it. Starting
 * one and stopping it cost the same however many there are, and while there is none nothing
 * wakes up.
 */

#include <stdint.h>

#include "base/loop.h"

#define WHEEL_TICK_NS (250 * 1000000ULL)
#define WHEEL_SLOTS   256

struct wheel_timer {
        struct list link; /* a slot of wheel.slots, or wheel.due */
        uint64_t deadline_ns;
};

/* timer is stopped; it may be started again here, and others may be stopped. */
typedef void wheel_fn(struct wheel_timer *timer, void *userdata);

struct wheel {
        struct loop *loop; /* borrowed */
        wheel_fn *fn;
        void *userdata;
        struct list
                slots[WHEEL_SLOTS]; /* wheel_timer.link: by the tick that is behind the deadline */
        struct list due;            /* wheel_timer.link: of the slot that is looked at now */
        uint64_t tick;              /* the last one that was looked at */
        uint64_t armed_tick;        /* 0: none */
        struct loop_timer timer;
};

void wheel_init(struct wheel *wheel, struct loop *loop, wheel_fn *fn, void *userdata);
/* Nothing more is told. */
void wheel_deinit(struct wheel *wheel);

void wheel_timer_init(struct wheel_timer *timer);
/* Also moves one that runs. */
void wheel_timer_start(struct wheel *wheel, struct wheel_timer *timer, uint64_t deadline_ns);
void wheel_timer_stop(struct wheel_timer *timer);
