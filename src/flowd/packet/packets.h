/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The packet filters of the instance, as the chain of sessions sees them: who there is, what they
 * want to see, and whose provider is there to see it. For the thread of flowd's loop.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "bpf/steer.abi.h"
#include "packet/gate.h"
#include "packet/lane.h"
#include "steer/packet-table.h"
#include "wire/channel.h"

#define LANES_MAX 4

struct packets;

/* One session's provider, in place or beside it (chain/successor.h). */
struct packet_filter {
        struct packets *packets; /* borrowed */
        unsigned int slot;
        uint64_t cgroup_id;
        enum wire_fail_policy fail_policy;
        struct packet_rules *rules; /* NULL until it said which */
        bool is_in_force;           /* its provider ran once: what it wants is sent there */
        struct gate gates[LANES_MAX];
};

struct packets {
        struct loop *loop; /* borrowed */
        const struct ruleset_config *ruleset;
        char table[80];
        uint16_t open_queue, closed_queue; /* the first ones; 0: not bound yet */
        unsigned int n_lanes;
        struct lane lanes[LANES_MAX];
        struct packet_filter *order[STEER_SESSIONS_MAX]; /* in place, in the order of the chain */
        size_t n_order;
        bool is_in_force;          /* the table may be written */
        bool has_table;            /* it was, or is an earlier flowd's */
        uint64_t print;            /* the table as we left it; see steer/intact.h */
        struct loop_timer inherit; /* runs while that one's is left as it is */
        bool inherits;
        struct gate_counters gone; /* of filters that are no more */
};

/* Starts the lanes; ruleset is borrowed, and complete when packets_put_in_force() is called. */
int packets_init(struct packets *packets, struct loop *loop, const struct ruleset_config *ruleset);
/* When there are no filters any more. */
void packets_deinit(struct packets *packets);
/* The table may be written from now on. is_fresh: no earlier flowd left one that counts. */
int packets_put_in_force(struct packets *packets, bool is_fresh);
/* Puts the table back where others changed it. 1 if they had, 0, or a negative errno. */
int packets_keep(struct packets *packets);
/* Takes the table away, with all that waits. */
void packets_remove(struct packets *packets);
struct gate_counters packets_count(struct packets *packets);

struct packet_filter_config {
        unsigned int slot;
        uint64_t cgroup_id; /* of the extension */
        enum wire_fail_policy fail_policy;
        uint64_t verdict_timeout_ns;
};

/* -ENOMEM, or why there are no queues. */
int packet_filter_new(struct packet_filter **ret_filter, struct packets *packets,
                      const struct packet_filter_config *config);
/* What waits for it goes on. NULL in, NULL out. */
struct packet_filter *packet_filter_free(struct packet_filter *filter);
/* Those in place, in the order of the chain. */
void packets_set_order(struct packets *packets, struct packet_filter *const *filters, size_t n);
/* What its provider wants to see, taken over on success. 0 or a negative errno, nothing changed. */
int packet_filter_set_rules(struct packet_filter *filter, struct packet_rules *rules);
/* Its provider runs: gives it a channel for each lane, in messages on flow_channel. */
int packet_filter_connect(struct packet_filter *filter, struct channel *flow_channel);
/* Its provider is gone: what waits goes the fail policy's way, and what comes as well. */
void packet_filter_disconnect(struct packet_filter *filter);
/* Does nothing wait for it? */
bool packet_filter_is_idle(struct packet_filter *filter);
