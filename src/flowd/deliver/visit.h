/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inspected connections that came in. flowd visits the server in the visitor's name, over lo; once
 * the server has accepted, the visitor's first segment, which waited, goes to our door
 * (deliver/doors.h) in the place of the server. Each end sees the other's address and port.
 *
 *      visitor C:c ──────▶ S:s, ours, bound to the interface that it came in through
 *                                     ours, C:c, bound to lo ──────▶ S:s, the server's, bound to lo
 *
 * Two sockets have the ends S:s and C:c: the kernel tells them apart by what they are bound to.
 */

#include <stdbool.h>

struct deliveries;
struct delivery;

/* Is the flow a connection that came in? */
bool is_visit(const struct delivery *delivery);
/* From here on visitors can be admitted. */
void visits_start(struct deliveries *deliveries);
/* A socket on its way to the server, the caller's, or a negative errno. */
int visit_begin(struct delivery *delivery);
/* The server has answered: what the kernel says of these ends from now on is for the visitor. */
void visit_answered(struct delivery *delivery);
/* The visitor may come. 0 or a negative errno. */
int visit_admit(struct delivery *delivery);
/* The flow is out of our hands, or over. */
void visit_end(struct delivery *delivery);
