/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The instance's nft table, made in one transaction and removed in one. The table is the
 * daemon's own; no other table is read or written. netext-flowd removes it when the
 * instance ends; it outlives a flowd that is killed, and the next one replaces it whole.
 */

#include <stdbool.h>
#include <stdint.h>

/* How a packet gets from a rule to the queue. */
enum queue_mechanism {
        QUEUE_NATIVE,  /* nft's own queue statement */
        QUEUE_XTABLES, /* the NFQUEUE target through nft_compat */
};

/* Where claimed flows go; see steer/route.h for how they get to lo. */
struct ruleset_delivery {
        bool is_on;
        uint16_t port4, port6; /* of the transparent listeners on 127.0.0.1 and ::1 */
};

/* What becomes of connections that others begin. */
enum ruleset_inbound {
        INBOUND_OFF,  /* none of our business: no chain sees them */
        INBOUND_OPEN, /* asked about; let through where nobody listens */
        INBOUND_CLOSED,
};

struct ruleset_config {
        const char *table;
        uint32_t mark_mask;
        uint16_t hold_queue;          /* undecided packets */
        uint16_t answers_queue;       /* answers of name servers */
        uint16_t watch_queue;         /* datagrams that are shown to filters */
        uint64_t cgroup_id;           /* of the instance, unless it is the whole machine */
        uint32_t cgroup_level;        /* its depth below the cgroup v2 root; 0: the whole machine */
        uint64_t extension_cgroup_id; /* the parent of the extensions' cgroups */
        uint32_t extension_cgroup_level;
        bool closed; /* what nobody listens for is refused, not let through */
        bool cuts;   /* the kernel cannot end a connection: its segments are refused */
        enum ruleset_inbound inbound;
        bool asks_groups; /* and about datagrams to groups: their members can be told apart */
        struct ruleset_delivery delivery;
        enum queue_mechanism mechanism;
        bool mechanism_is_known; /* it was in force before */
};

/*
 * Puts the ruleset in force, in place of an earlier one. The first time it tries the native
 * queue and falls back; config->mechanism is what is in use afterwards. 0 or a negative errno,
 * with the old table untouched.
 */
int ruleset_apply(struct ruleset_config *config);
int ruleset_remove(const char *table);
const char *queue_mechanism_to_string(enum queue_mechanism mechanism);
