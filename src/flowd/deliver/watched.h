/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inspected flows of datagrams that other hosts began. Their datagrams do not come to a socket of
 * ours: each waits in the kernel (steer/watch.h) until the filters have decided about it.
 */

#include <stdbool.h>
#include <stdint.h>

#include <netext/netext.h>

struct deliveries;
struct delivery;

/* Needs privileges. 0 or a negative errno. */
int watched_open(struct deliveries *deliveries);
void watched_close(struct deliveries *deliveries);
/* Begins to read. */
int watched_start(struct deliveries *deliveries);

/* What became of a datagram: it goes on to whom it is for, or nowhere. */
void watched_decide(struct delivery *delivery, uint64_t token, bool passes);
