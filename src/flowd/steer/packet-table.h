/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which packets are sent to packet filters: an nft table of its own, so that the rules about flows
 * can change without it, and it without them. As theirs it outlives a flowd that is killed: what a
 * session wanted to see goes its fail policy's way then.
 */

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netext/packet.h>

#include "steer/ruleset.h"

/* What is 0 matches everything. */
struct packet_rule {
        enum nx_direction direction;
        uint8_t protocol;
        char interface[IF_NAMESIZE];
        bool has_network;
        struct in6_addr network; /* of the other host */
        uint8_t prefix;          /* of the 128 bits of the mapped form */
};

struct packet_rules {
        bool loopback; /* also what goes over lo */
        size_t n;
        struct packet_rule rules[NX_PACKET_RULES_MAX];
};

/* What a session wants to see. */
struct packet_wish {
        unsigned int slot;
        uint64_t cgroup_id; /* of its extension, whose own packets it is not shown */
        bool is_closed;
        const struct packet_rules *rules;
};

struct packet_table_config {
        const struct ruleset_config *ruleset; /* the instance, and how packets get to a queue */
        const char *table;
        uint16_t open_queue; /* the first of n_queues; others get on where nobody listens */
        uint16_t closed_queue;
        uint16_t n_queues;
        const struct packet_wish *wishes;
        size_t n_wishes;
};

/* Puts it in force, in place of what was there. 0 or a negative errno, with nothing changed. */
int packet_table_apply(const struct packet_table_config *config);
/* Also one that is not there. */
int packet_table_remove(const char *table);
