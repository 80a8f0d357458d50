/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The queue of datagrams that are shown to filters while they wait in the kernel: those of
 * inspected flows that other hosts began, and their servers' answers. Each is a packet of its own,
 * copied as a whole, and is decided by itself. So nobody stands between server and caller, and what
 * they see of each other is what it is without us.
 *
 * The queue goes with flowd, and what waits in it, as datagrams may.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steer/mark.h"

struct watch;

struct watch_packet {
        uint64_t token;       /* for watch_decide() */
        bool is_inbound;      /* it came in */
        const uint8_t *bytes; /* from the network header; borrowed during the call */
        size_t size;          /* of bytes: at most what the queue copies */
        size_t n_left_out;    /* that it did not copy */
};

typedef void watch_packet_fn(const struct watch_packet *packet, void *userdata);

/* Binds a queue; hold_queue, the instance's, says where to look for a number that is free. */
int watch_open(struct watch **ret_watch, uint16_t hold_queue, uint32_t mark_mask);
/* What waits is dropped. NULL in, NULL out. */
struct watch *watch_close(struct watch *watch);

int watch_fd(const struct watch *watch);
uint16_t watch_number(const struct watch *watch);

/* Calls fn for what is there, a batch at most. 0 or a negative errno. */
int watch_receive(struct watch *watch, watch_packet_fn *fn, void *userdata);
/* The packet runs through our chains again with this mark. Sent by watch_flush(). */
void watch_decide(struct watch *watch, uint64_t token, enum mark mark);
void watch_flush(struct watch *watch);
