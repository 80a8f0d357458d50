/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Looks whether flowd works: one that is stopped, or hangs while packets wait for it, is killed,
 * and the next one gets the packets. As long as nothing happens, netextd sleeps.
 */

#include <systemd/sd-event.h>

struct engine;

struct watchdog {
        sd_event_source *packet; /* one waits in the queue */
        sd_event_source *child;  /* one of ours was stopped, goes on, or has ended */
        sd_event_source *timer;  /* long enough to be looked at */
};

/* From now on, with the queue that engine has. */
void watchdog_start(struct engine *engine);
void watchdog_stop(struct engine *engine);
