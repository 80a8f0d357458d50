/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One-shot timers in sd-event, and the clock they run on. */

#include <stdint.h>
#include <systemd/sd-event.h>

/*
 * Calls fn once, delay_ms from now; a timer that is armed already is moved. *source starts
 * as NULL and is released by timer_stop(). 0 or negative errno.
 */
int timer_start(sd_event *event, sd_event_source **source, uint64_t delay_ms,
                sd_event_time_handler_t fn, void *userdata);
void timer_stop(sd_event_source **source);

/* CLOCK_MONOTONIC, and CLOCK_REALTIME for what people see. */
uint64_t clock_now_ms(void);
uint64_t clock_realtime_ns(void);
