/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How the bytes of a delivered flow get to its destination: by the extension that has its
 * socket, by a relay to an upstream, or through an inspection on the way to either.
 */

#include "deliver/delivery.h"

/* No proxy took the flow, but it cannot simply pass any more: we are its way. */
int way_go_direct(struct deliveries *deliveries, struct flow *flow);
/* The upstream is fd, which is handed over: it is connected; or its connect() may have ended. */
void way_to_upstream(struct delivery *delivery, int fd);
void way_wait_for_upstream(struct delivery *delivery, int fd);
/* There is a way for the program's bytes: its connection may be accepted. */
void way_open(struct delivery *delivery);
/* The program's connection is here, and there is a way for its bytes. */
void way_go(struct delivery *delivery);
/* The bytes of both sockets are a relay's from here on. */
void way_carry(struct delivery *delivery);
