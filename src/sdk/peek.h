/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Flows whose first bytes a proxy wants to see before it says what becomes of them. */

#include "sdk/session.h"

/* NULL if the flow can be answered with PEEK, else what is wrong, "PEEK, but …". */
const char *peek_problem(const struct nx_flow *flow);
/* What belongs to the verdict PEEK. */
void peek_put(const struct nx_flow *flow, struct wire_writer *writer);
/* PROVIDER_FLOW_PEEKED. */
int peek_handle_bytes(struct session *session, const struct wire_message *message);
