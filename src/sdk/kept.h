/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The flows of a run that netext-flowd may still speak of, by their number: paused ones,
 * those that are peeked at, claimed ones and inspected ones.
 */

#include "sdk/flow.h"
#include "sdk/session.h"

/* The flow that message is about, borrowed, or NULL. */
struct nx_flow *kept_find(const struct session *session, const struct wire_message *message);
/* Keeps flow; state: what it is now, of those above. */
void kept_begin(struct nx_flow *flow, enum flow_state state);
/* state: what it is then. Fine on a flow that is not kept. It may be freed. */
void kept_end(struct nx_flow *flow, enum flow_state state);
/* The run is over, without a word. */
void kept_end_all(struct session_run *run);
