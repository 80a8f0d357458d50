/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How a claimed flow gets back into the host that it was about to leave: a policy rule
 * sends what is marked to a routing table of our own, in which everything is local.
 *
 *      ip rule:   priority 78, fwmark DELIVER or ONWARD, lookup TABLE, protocol 78
 *      TABLE:     local default dev lo, protocol 78
 *
 * for IPv4 and IPv6. The table's number is FOOTPRINT_ROUTE_TABLE plus the instance's queue
 * number, so instances of one namespace have tables of their own and a restarted flowd
 * has the same one. flowd removes both when the instance ends, or when the last session
 * that needs them does; they are harmless without marks.
 */

#include <stdint.h>

#include "base/endpoint.h"

struct route_config {
        uint32_t table;
        uint32_t mark;      /* MARK_TO_LO_BITS in their place … */
        uint32_t mark_mask; /* … and no more bits than those */
};

/* Repeating is harmless. How many rules and routes were not there before, or a negative errno; a
 * half that was done is undone. */
int route_add(const struct route_config *config);
/* What is not there needs no removing. */
void route_remove(const struct route_config *config);

/* The interface by which packets from one of the host's addresses to another host leave; 0: none.
 */
uint32_t route_interface(const struct endpoint *from, const struct endpoint *to);
