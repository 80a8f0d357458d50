/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Claimed flows: those of a run that something will still be said about. */

#include "sdk/session.h"

/* The verdict CLAIM was batched. Sends what the extension did with the flow before. */
int claim_begin(struct nx_flow *flow);
/* PROVIDER_FLOW_SOCKET; fd is taken where somebody wants it. */
int claim_handle_socket(struct session *session, const struct wire_message *message, int *fd);
/* PROVIDER_FLOW_CLOSED. */
int claim_handle_closed(struct session *session, const struct wire_message *message);
/* Forgets all of a run that is over, without a word. */
void claim_end_all(struct session_run *run);
