/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Looks whether flowd works while packets wait for it: one that is stopped, or hangs, is killed,
 * and the next one gets the packets. As long as none comes, netextd sleeps.
 */

#include <systemd/sd-event.h>

struct engine;

struct watchdog {
        sd_event_source *packet; /* one waits in the queue */
        sd_event_source *timer;  /* it has waited long enough to be looked at */
};

/* From now on, with the queue that engine has. */
void watchdog_start(struct engine *engine);
void watchdog_stop(struct engine *engine);
