/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A flow of datagrams has no end of its own: a program that has had its answers may keep its
 * socket for hours, and the proxy a socket and an upstream for each. So one that a proxy
 * claimed ends when nothing has passed for as long as the proxy's settings say.
 *
 * No datagram comes by here. The kernel knows when the last one passed (steer/passed.h), and is
 * asked when the flow may be over: once in an idle time for each flow, whatever passes.
 */

struct deliveries;
struct delivery;

void idle_open(struct deliveries *deliveries);
void idle_close(struct deliveries *deliveries);

/* The flow is open, and its session's settings count from here on. */
void idle_begin(struct delivery *delivery);
