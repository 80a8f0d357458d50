/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Flows of datagrams that passed and have more of them in the queue: how they come out of it
 * without one overtaking another (steer/passed.h).
 */

#include <stdbool.h>

#include "steer/queue.h"

struct flow;
struct intake;

/* A datagram of the flow came out of the queue, and is to be released next, or to be held. Does the
 * flow have reason to be there, though it passed? */
bool line_take(struct intake *intake, struct flow *flow, struct queue_held held);
