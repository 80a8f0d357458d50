/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Between an inspection and the sessions of its filters: what is shown goes to the session
 * whose turn it is, what the session says goes back. An inspector's number is its place in
 * flow.inspectors.
 *
 * A session that owes an answer about bytes for longer than its verdict timeout is treated as
 * gone for that flow: its fail policy answers.
 */

#include "deliver/delivery.h"

int inspected_open(struct deliveries *deliveries);
void inspected_close(struct deliveries *deliveries);

/* Hands the delivery's two sockets to an inspection by those of the flow's filters that are still
 * there. 0 if none wants to see anything and the flow is TCP's, 1 if it has begun, or a negative
 * errno; -ECONNREFUSED: one is gone that may not be missed, -EPERM: one has said DROP. */
int inspected_begin(struct delivery *delivery);
/* Also before the inspection has begun, what is said without being asked. */
int inspected_judge(struct flow *flow, struct session *session,
                    const struct session_data_verdict *verdict);
/* Ends it now; error: 0 or a negative errno. */
void inspected_cut(struct delivery *delivery, int error);
/* Questions can be sent to the session again. */
void inspected_retry_session(struct deliveries *deliveries, struct session *session);
/* The session's provider is gone. */
void inspected_end_session(struct deliveries *deliveries, struct session *session);
/* The flow is over: its filters are told. */
void inspected_tell_closed(struct delivery *delivery, const struct session_flow_end *end);
