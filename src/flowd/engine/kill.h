/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Ends the flows that somebody means (NX_MSG_FLOWD_FLOWS_END), by their number or by what they are.
 */

#include <stdint.h>

struct chain;
struct wire_message;

/* How many were ended. 0; -ENOENT: there is none; -EALREADY: that one is over; or what kept the
 * first of those that go on from being ended. */
int kill_flows(struct chain *chain, const struct wire_message *message, uint64_t *ret_n_ended);
