/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where flows come from: packets that the kernel holds for us, and the hooks' events about
 * flows that the rules decided (engine/events.h). Both become flows of the one table.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "chain/chain.h"
#include "flow/table.h"
#include "names/names.h"
#include "owner/owner.h"
#include "steer/hooks.h"
#include "steer/queue.h"

#define INTAKE_CLOSED_EARLY 4096 /* a power of two */

struct gathering;
struct groups;
struct leftovers;
struct passed;
struct resolvers;

struct intake_counters {
        uint64_t unattributed;
        uint64_t packets_unreadable; /* neither TCP nor UDP, or cut off: dropped */
        uint64_t packets_over_limit; /* of a flow that already holds FLOW_HELD_MAX: dropped */
        uint64_t asked_again; /* datagrams of flows that passed, and have no place in the set */
        uint64_t table_full;
        uint64_t fallbacks; /* of those, decided by a fail policy */
        uint64_t nameless;  /* the kernel knows no more which program the process runs */
};

struct intake {
        struct loop *loop; /* all borrowed */
        struct hooks *hooks;
        struct queue *queue;
        struct owners *owners;
        struct names *names;
        struct flow_table *flows;
        struct chain *chain;
        const struct passed *passed;
        struct leftovers *leftovers;
        struct groups *groups;
        struct resolvers *resolvers;
        uint32_t mark_mask;
        bool (*is_watched)(void *userdata);
        void (*flow_closed)(struct flow *flow, void *userdata);
        /* The program of a flow with a delivery closed its socket. */
        void (*flow_abandoned)(struct flow *flow, void *userdata);
        /* A program's flow came without the record that a hook leaves. */
        void (*owner_missing)(void *userdata);
        /* A datagram of one found no socket. */
        void (*flow_strayed)(struct flow *flow, void *userdata);
        void *userdata;

        struct loop_io queue_io;
        bool has_read; /* a batch, and the queue is not watched */
        struct loop_timer patience_timer;
        struct loop_io events_io;
        struct loop_timer events_timer;
        uint64_t n_lost;  /* events that the ring had no room for, as far as we know … */
        uint64_t lost_ns; /* … and when we heard of more, until we know what they were; or 0 */
        struct intake_counters counters;

        /* Flows that rules allowed, open, whose local end is not known yet (flow.waiting) … */
        struct list unplaced;
        struct list unshown; /* … and whom those who watch have not heard of */

        /* Sockets that were closed before flowd knew a flow of theirs; by the cookie's low bits. */
        uint64_t closed_early[INTAKE_CLOSED_EARLY];
};

void intake_init(struct intake *intake);
/* Begins to read. The sessions must be in force, else flows would pass unasked. */
int intake_start(struct intake *intake);
void intake_stop(struct intake *intake);
/* The round is over: if there is nothing to wait for, the next packets are read. */
void intake_go_on(struct intake *intake);
/* Whose the flow is, by the record of its socket. */
void intake_set_owner(struct intake *intake, struct flow *flow, const struct steer_owner *owner);
/* For groups.look_for_members. */
void intake_look_for_members(struct gathering *gathering, void *userdata);
