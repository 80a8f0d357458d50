/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the extension says about a flow, on its way to netext-flowd. */

#include "sdk/session.h"

/* PROVIDER_FLOW_NEW. */
int verdict_ask(struct session *session, const struct wire_message *message);
/* That was returned by function of the extension, while the flow was FLOW_ASKED. Batches it and
 * makes the flow what it is by it; a verdict that is none ends the provider. */
int verdict_returned(struct session *session, struct nx_flow *flow, enum nx_verdict verdict,
                     const char *function);
/* 0 where the extension has yet to say what becomes of the flow; -ESTALE, -EINVAL. */
int verdict_is_due(const struct nx_flow *flow);
/* Answers a paused flow with what came of its question to people; NONE: its session's fail policy
 * decides. 0 or a negative errno. */
int verdict_settle(struct nx_flow *flow, enum nx_verdict verdict, enum wire_reason reason);
