/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What becomes of a flow that a proxy claimed, until it is out of our hands. Its first
 * packet waits in the kernel meanwhile, so its program's connect() has not returned.
 *
 *      CLAIMED ──opened──▶ RELEASED ──accepted──▶ (TCP) the extension has its socket
 *         │                    ▲        └───────▶ CARRIED, where it was spliced
 *         ├──spliced──▶ CONNECTING, to the upstream that the extension gave
 *         ├──failed───▶ the program is told what the upstream said
 *         └──opened (UDP), the extension has its socket ──▶ CARRIED, until the program closes it
 *
 * The kernel keeps the way of a delivered flow by a mark on its program's socket (TCP), or
 * by its tuple in a set (UDP); neither needs flowd any more.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "deliver/listener.h"

struct chain;
struct flow;
struct hooks;
struct passed;
struct relay_end;
struct relay_pool;
struct session;

enum delivery_state {
        DELIVERY_CLAIMED,
        DELIVERY_CONNECTING,
        DELIVERY_RELEASED,
        DELIVERY_CARRIED,
};

/* One for each claimed flow, which owns it: flow.delivery. */
struct delivery {
        struct deliveries *all;
        struct flow *flow;
        struct session *session; /* NULL once its provider is gone */
        struct list link;        /* session.claimed */
        enum delivery_state state;
        int upstream_fd; /* owned while CONNECTING and RELEASED; -1 where there is none */
        struct loop_io upstream_io;
        struct loop_timer orphan_timer; /* runs when the program is gone, but may be accepted */
};

struct deliveries {
        struct loop *loop; /* all borrowed */
        struct chain *chain;
        struct hooks *hooks;
        const struct passed *passed;
        uint32_t relay_mark;
        struct listener listener;
        struct relay_pool *relays; /* owned */
        uint64_t n_delivered;
        uint64_t n_strangers; /* connections to the listener that belong to no flow */
};

/* Opens what needs privileges, and starts the relays' threads. 0 or a negative errno. */
int deliveries_open(struct deliveries *deliveries);
void deliveries_close(struct deliveries *deliveries);
/* Begins to accept. */
int deliveries_start(struct deliveries *deliveries);

/* A proxy claimed the flow. -ENOMEM: it did not get that far. */
int delivery_claim(struct deliveries *deliveries, struct flow *flow, struct session *session);
/* The proxy's way is open (0), or there is none (negative errno). -EBADMSG where it is not the
 * session's to say. */
int delivery_open(struct flow *flow, struct session *session, int result);
/* The proxy gave the flow back with its upstream; fd is taken over, also on failure. */
int delivery_splice(struct flow *flow, struct session *session, int fd);

/* The program closed its socket. */
void delivery_abandon(struct flow *flow);
/* The session's provider is gone: what was not opened falls back, what was goes on. */
void deliveries_end_session(struct session *session);
