/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One session's place in one lane: a thread of its provider is at the other end of a channel, and
 * judges the packets that come to this gate. What it is asked about waits in a slot of memory that
 * it can read, at most for the verdict timeout; what it delays waits in a list, which is bounded in
 * number, bytes and time.
 *
 * A thread that let one packet's time pass is stalled: it is asked nothing until it says something
 * again, and the fail policy decides at once, so that one packet's wait is not every packet's.
 *
 * What finds no slot waits for one, in the order in which it came; there is some that is asked
 * about then, whose answer makes room.
 *
 * All of it is the lane's, and its thread's, see packet/lane.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/htable.h"
#include "base/list.h"
#include "base/loop.h"
#include "packet/rules.h"
#include "steer/packet-queue.h"
#include "wire/channel.h"
#include "wire/names.h"

struct lane;

enum packet_place {
        PACKET_ASKED,   /* it has a slot */
        PACKET_QUEUED,  /* it waits for one */
        PACKET_DELAYED, /* the provider will say */
};

/* A packet that waits at a gate. */
struct held_packet {
        struct list waiting; /* gate.asked, gate.queued or gate.delayed */
        enum packet_place place;
        struct htable_link by_id; /* in gate.delayed_by_id */
        uint64_t id;
        struct packet_held held;
        struct packet_facts facts;
        uint64_t passed_slots; /* sessions that need not be asked any more, a bit each */
        uint64_t deadline_ns;
        size_t size;
        uint8_t *copy; /* of its bytes, where somebody will want to see them later; or NULL */
};

struct gate_counters {
        uint64_t shown, allowed, dropped, delayed;
        uint64_t by_fail_policy;
};

struct gate {
        struct lane *lane;    /* borrowed */
        struct list in_order; /* lane.order: it is asked about new packets */
        unsigned int slot;
        enum wire_fail_policy fail_policy;
        uint64_t verdict_timeout_ns;
        const struct packet_rules *rules; /* borrowed; NULL: it is asked about nothing */

        struct channel channel; /* closed: the fail policy decides */
        struct loop_io io;
        bool wants_write;
        bool is_stalled;
        uint8_t *memory; /* WIRE_PACKET_SLOTS, or NULL */
        uint64_t last_sequence;
        uint64_t taken; /* slots that the provider may be looking at, a bit each */
        uint64_t in_slot[WIRE_PACKET_SLOTS]; /* which packet that is, also when it has gone on */
        struct held_packet *packets[WIRE_PACKET_SLOTS]; /* those asked about, by slot; or NULL */
        struct list asked;                              /* held_packet.waiting, by deadline */
        struct list queued;  /* the same; there are some only while there are some asked */
        struct list delayed; /* by deadline */
        struct htable delayed_by_id;
        size_t n_delayed, bytes_delayed;
        struct loop_timer asked_timer, delayed_timer;
        struct gate_counters counters;
};

void gate_init(struct gate *gate, struct lane *lane, unsigned int slot,
               enum wire_fail_policy fail_policy, uint64_t verdict_timeout_ns);
/* Takes fd over, also on failure: our end of the channel. 0 or a negative errno. */
int gate_open(struct gate *gate, int fd);
/* What waits goes the fail policy's way. Fine where it is not open. */
void gate_close(struct gate *gate);
/* Without it in their way what waits goes on. */
void gate_let_go(struct gate *gate);
/* Does anything wait for it? */
bool gate_is_idle(const struct gate *gate);

/* Is there room to ask it about n packets? Where there is not, none is read. */
bool gate_has_room(const struct gate *gate, int n);
/* Keeps the packet's bytes. False: there is no memory. */
bool held_packet_keep(struct held_packet *packet, const uint8_t *bytes);
/* Asks about the packet, which it takes over; it comes back by lane_advance() or lane_end(). */
void gate_ask(struct gate *gate, struct held_packet *packet, const uint8_t *bytes);
/* Sends what collected in this round. */
void gate_flush(struct gate *gate);
