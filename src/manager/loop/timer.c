/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each object that supervises something has one deadline at a time, so it owns one
 * source that is re-armed for whatever it waits for next.
 */

#include <time.h>

#include "manager/loop/timer.h"

/* sd-event would otherwise round a 100 ms back-off up to a quarter of a second. */
#define ACCURACY_US 1000

int timer_start(sd_event *event, sd_event_source **source, uint64_t delay_ms,
                sd_event_time_handler_t fn, void *userdata)
{
        timer_stop(source);
        return sd_event_add_time_relative(event, source, CLOCK_MONOTONIC, delay_ms * 1000,
                                          ACCURACY_US, fn, userdata);
}

void timer_stop(sd_event_source **source)
{
        *source = sd_event_source_disable_unref(*source);
}

static uint64_t clock_ns(clockid_t clock)
{
        struct timespec ts;

        clock_gettime(clock, &ts);
        return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

uint64_t clock_now_ms(void)
{
        return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

uint64_t clock_realtime_ns(void)
{
        return clock_ns(CLOCK_REALTIME);
}
