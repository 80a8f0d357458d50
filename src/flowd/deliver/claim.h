/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a proxy says of a flow that it claimed. */

#include "deliver/delivery.h"

/* -ENOMEM: it did not get that far; -EMFILE: there is no room for it. */
int claim_begin(struct deliveries *deliveries, struct flow *flow, struct session *session);
/* The proxy's way is open (0), or there is none (negative errno). -EBADMSG where it is not the
 * session's to say. */
int claim_open(struct flow *flow, struct session *session, int result);
/* The same of a proxy that gave the flow back with its upstream; fd is taken over, also on
 * failure. */
int claim_splice(struct flow *flow, struct session *session, int fd);
