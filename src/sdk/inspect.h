/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Flows whose bytes a filter wants to see. */

#include "sdk/session.h"

/* NULL if the flow can be answered with FILTER_DATA, else what is wrong, "FILTER_DATA, but …". */
const char *inspect_problem(const struct nx_flow *flow);
/* What belongs to the verdict FILTER_DATA. */
void inspect_put(const struct nx_flow *flow, struct wire_writer *writer);
/* PROVIDER_MEMORY; fd stays the caller's. */
int inspect_handle_memory(struct session *session, int fd);
/* It ends with the flow channel. */
void inspect_forget_memory(struct session *session);
/* PROVIDER_FLOW_DATA. */
int inspect_handle_bytes(struct session *session, const struct wire_message *message);
/* PROVIDER_FLOW_COMPLETE. */
int inspect_handle_complete(struct session *session, const struct wire_message *message);
/* PROVIDER_FLOW_CLOSED, for an inspected flow that is not kept any more. */
void inspect_handle_closed(struct session *session, struct nx_flow *flow);
