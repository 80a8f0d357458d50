/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A flow that filters see and that an extension has claimed: we are between the two. The extension
 * gets a connection whose other end is ours, so it is told of half-closes and resets as by any
 * other, and its socket says that its ends are the flow's (steer/hooks.h, hooks_set_face()).
 *
 * The connection goes over lo to our own listener (listener.h). Of UDP it is a pair of sockets
 * there, each connected to the other.
 */

#include <stdbool.h>

struct deliveries;
struct delivery;
struct endpoint;

/* Makes the connection; goes on by way_go() when it stands. 1, or a negative errno. */
int between_begin(struct delivery *delivery);
/* The same of UDP, which needs nobody to wait. 0 or a negative errno. */
int between_open_datagrams(struct delivery *delivery);
/* Is what the listener has accepted from caller one of these? Then fd is handed over. */
bool between_take(struct deliveries *deliveries, int fd, const struct endpoint *caller);
