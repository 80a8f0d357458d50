/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who sent a flow's last datagram? A socket that several processes have is used by each of them,
 * and the flow's owner is the first. Asked when somebody wants to know, and as the flow ends.
 */

#include "flow/flow.h"

struct owners;

/* The process, counted; NULL: the owner, or nobody knows (send(2) on a connected socket is not
 * seen, and TCP's is not looked at). */
struct process *sender_find(struct owners *owners, const struct flow *flow);
