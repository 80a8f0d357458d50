/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What becomes of a flow that does not simply pass, until it is out of our hands: one that a
 * proxy claimed, or whose first bytes a proxy wants to see. Its first packet waits in the
 * kernel as long as it can, so its program's connect() has not returned.
 *
 *      CLAIMED ──opened──▶ RELEASED ──accepted──▶ (TCP) the extension has its socket
 *         │                    ▲        └───────▶ CARRIED, where it was spliced
 *         ├──spliced──▶ CONNECTING, to the upstream that the extension gave
 *         ├──failed───▶ the program is told what the upstream said
 *         └──opened (UDP), the extension has its socket ──▶ CARRIED, until the program closes its
 *                                                  own, or nothing passes any more (idle.h)
 *
 *      RELEASED ──accepted──▶ PEEKING ──the bytes are there──▶ OFFERED ──┬─▶ CLAIMED, as above
 *                                ▲                                │     └─▶ CONNECTING, to the
 *                                └────────────────────────────────┘  flow's own destination
 *
 * A connection that came in is CONNECTING to its server, and then RELEASED to our door: visit.h.
 * Of datagrams that came in none is delivered to us; a flow of them is INSPECTED where they wait,
 * and CARRIED by the kernel when nobody wants to see more: watched.h.
 *
 * The kernel keeps the way of a delivered flow by a mark on its program's socket (TCP), or
 * by its tuple in a set (UDP); neither needs flowd any more.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/wheel.h"
#include "deliver/doors.h"
#include "deliver/listener.h"
#include "wire/names.h"

struct chain;
struct chain_deliverer;
struct flow;
struct datagrams;
struct datagrams_pool;
struct inspection;
struct inspection_pool;
struct hooks;
struct passed;
struct relay_end;
struct relay_pool;
struct session;
struct session_flow_end;
struct share;
struct watch;

enum delivery_state {
        DELIVERY_CLAIMED,    /* the proxy says what next */
        DELIVERY_CONNECTING, /* to the upstream */
        DELIVERY_RELEASED,   /* the first segment went to the listener */
        DELIVERY_PEEKING,    /* for the program's first bytes */
        DELIVERY_OFFERED,    /* a proxy has seen them, and says what next */
        DELIVERY_INSPECTED,  /* filters see its bytes */
        DELIVERY_CARRIED,
};

/* One for each such flow, which owns it: flow.delivery. */
struct delivery {
        struct deliveries *all;
        struct flow *flow;
        struct share *share;     /* its program's, while it may have descriptors: chain/quota.h */
        struct session *session; /* NULL once its provider is gone, and where nobody claimed it */
        struct list link;        /* session.claimed, unless OFFERED */
        struct list inspected;   /* deliveries.inspected */
        struct list expected;    /* deliveries.expected */
        struct endpoint caller;  /* while it is expected: upstream_fd's own end */
        struct inspection *inspection; /* while INSPECTED, which owns both sockets: of TCP */
        struct datagrams *datagrams;   /* the same of UDP; of what came in without sockets */
        enum delivery_state state;
        bool is_direct;  /* to the flow's own destination: no proxy took it */
        int app_fd;      /* the program's connection; owned until it is CARRIED; -1: not yet */
        int upstream_fd; /* owned until it is CARRIED; -1 where there is none */
        struct loop_io app_io, upstream_io;
        struct loop_timer timer; /* PEEKING; RELEASED and INSPECTED, when the program is gone */
        size_t peek_bytes;       /* wanted; 0: no peek */
        uint64_t peek_ns;        /* how long to wait for them; 0: no limit */
        struct wheel_timer idle_timer; /* of a UDP flow that a proxy has */
        uint64_t idle_ns;              /* how long it may be idle */
};

struct deliveries {
        struct loop *loop; /* all borrowed */
        struct chain *chain;
        struct hooks *hooks;
        const struct passed *passed;
        uint32_t relay_mark;  /* of datagram sockets that speak for destinations */
        uint32_t own_mark;    /* of our connections to destinations and to visitors */
        uint32_t onward_mark; /* of our connections to servers that are visited */
        uint32_t mark_mask;
        uint16_t hold_queue;
        struct listener listener;
        struct doors doors;
        struct watch *watch; /* owned */
        struct loop_io watch_io;
        struct relay_pool *relays;           /* owned */
        struct inspection_pool *inspections; /* owned */
        struct datagrams_pool *datagrams;    /* owned */
        struct list inspected;               /* delivery.inspected */
        struct list expected; /* delivery.expected: their other ends are on the way, between.h */
        struct wheel idle;    /* delivery.idle_timer */
        struct loop_timer answers_timer; /* while filters owe answers about bytes */
        unsigned int n_released;         /* since the listener was looked at */
        bool has_room; /* in this round descriptors were asked for, and there were enough */
        uint64_t n_delivered;
        uint64_t n_given_up;  /* claimed, but we could not deliver them: left to the fail policy */
        size_t n_open;        /* deliveries that there are */
        uint64_t n_strangers; /* connections to the listener that belong to no flow */
};

/* Opens what needs privileges, and starts the relays' threads. 0 or a negative errno. */
int deliveries_open(struct deliveries *deliveries);
void deliveries_close(struct deliveries *deliveries);
/* Begins to accept. */
int deliveries_start(struct deliveries *deliveries);

/* Sends what was decided in this round. */
void deliveries_flush(struct deliveries *deliveries);
/* Accepts what was released in this round: the handshake is done as its verdict is sent. */
void deliveries_catch_up(struct deliveries *deliveries);

/* What the chain has done with flows that do not simply pass. */
extern const struct chain_deliverer deliverer;

/* The program closed its socket. */
void delivery_abandon(struct flow *flow);
/* A datagram of it found no socket. Where that was the extension's, which has closed it, the flow
 * is over, and whoever called has a new one's first. */
void delivery_stray(struct flow *flow);

/* For the files beside this one. */

/* The flow's delivery, which is made if there is none yet. 0 or -ENOMEM. */
int delivery_new(struct deliveries *deliveries, struct flow *flow, struct delivery **ret_delivery);
/* It has no descriptors of ours any more, and will have none. */
void delivery_share_nothing(struct delivery *delivery);
/* NULL: nobody's. */
void delivery_give_to(struct delivery *delivery, struct session *session);
/* The first segment may go to the listener; what follows it goes the same way. */
int delivery_release(struct delivery *delivery);
/* The flow is over; or it is out of our hands, too. */
void delivery_end(struct delivery *delivery, const struct session_flow_end *end);
void delivery_forget(struct delivery *delivery);
/* The kernel forgets a UDP flow, which is over; told once. */
void delivery_close_datagrams(struct delivery *delivery, enum wire_flow_end by);
/* A UDP flow is over, and its program keeps its socket: what that says next is another flow.
 * error: 0 or a negative errno, for those who have it. */
void delivery_end_datagrams(struct delivery *delivery, enum wire_flow_end by, int error);
/* The program is told what the upstream said, and the provider that it is over. */
void delivery_fail(struct delivery *delivery, int error);
/* It is we who cannot deliver: the session's fail policy answers, as if it had not claimed. */
void delivery_give_up(struct delivery *delivery, int error);
