/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Claimed flows. */

#include "sdk/session.h"

/* The verdict CLAIM was batched. Keeps the flow, and sends what the extension did with the flow
 * before. */
int claim_begin(struct nx_flow *flow);
/* PROVIDER_FLOW_SOCKET; fd is taken where somebody wants it. */
int claim_handle_socket(struct session *session, const struct wire_message *message, int *fd);
/* PROVIDER_FLOW_CLOSED, for a claimed flow that is not kept any more. */
void claim_handle_closed(struct session *session, struct nx_flow *flow,
                         const struct wire_message *message);
