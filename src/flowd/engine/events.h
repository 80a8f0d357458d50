/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the hooks tell of by the ring: flows that rules decided, and sockets that are closed. */

#include "engine/intake.h"

void events_init(struct intake *intake);
/* Begins to read. 0 or negative errno. */
int events_start(struct intake *intake);
void events_stop(struct intake *intake);
/* Reads those that are there now: who looks at the flows shall see the latest. */
void events_catch_up(struct intake *intake);
/* The flow's socket is closed, though nobody said so. */
void events_end_flow(struct intake *intake, struct flow *flow);
/* Asks the kernel for the local ends that are not known yet, if there are any. */
void events_find_local_ends(struct intake *intake);
