/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The end of a live flow that is not its program's doing: a filter has changed its verdict, or
 * somebody has asked for it. From then on nothing of the flow passes, neither way, wherever its
 * bytes were:
 *
 *      held                        refused, as if that had been the verdict
 *      with us (deliver/)          both ends are reset
 *      TCP                         the kernel aborts its program's socket, and resets the other
 * end; or, where it cannot, refuses the connection's segments UDP                         the
 * kernel refuses its datagrams (steer/passed.h); a connected socket is aborted carried on by an
 * extension  what carries it on is ended as well
 *
 * There is nothing to wait for: when a function returns, it is so.
 */

#include "chain/chain.h"

/* Whose doing it is. */
struct ending {
        enum wire_flow_end by;
        const struct session *session; /* of WIRE_END_FILTER */
};

/* 0; -EALREADY: it was over before; -EOPNOTSUPP: it is a connection that passed, of no socket
 * that is known (raw packets); or another negative errno, and it may go on. */
int ending_end(struct chain *chain, struct flow *flow, const struct ending *ending);
/* Its program has closed its socket: the kernel forgets a flow of datagrams. */
void ending_forget(struct chain *chain, const struct flow *flow);
/* The record says so, and who watches hears of it. */
void ending_note(struct chain *chain, struct flow *flow, const struct ending *ending);
/* Is the flow one that the session was asked about, or that its rules let pass? */
bool ending_may(const struct chain *chain, const struct session *session, const struct flow *flow);
