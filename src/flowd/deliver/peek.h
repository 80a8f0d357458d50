/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A proxy wants to see what the program says first, before it answers. */

#include "deliver/delivery.h"

/* timeout_ms: 0 is no limit. 0 or a negative errno. */
int peek_begin(struct deliveries *deliveries, struct flow *flow, struct session *session,
               uint32_t n_bytes, uint32_t timeout_ms);
/* The program's connection is here. */
void peek_start(struct delivery *delivery);
/* Nobody waits for its bytes any more. */
void peek_stop(struct delivery *delivery);
/* What the program said so far goes to who asked, whose answer comes as to any question. */
void peek_offer(struct delivery *delivery);
