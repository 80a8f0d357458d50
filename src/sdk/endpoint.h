/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The extension's side: its endpoints, and who netextd hands to them. */

#include <netext/extension.h>

#include "base/list.h"
#include "base/loop.h"
#include "sdk/endpoint-event.h"
#include "wire/codec.h"

struct nx_provider;

struct nx_endpoint {
        const struct nx_endpoint_provider *table; /* the extension's */
        struct endpoints *endpoints;
        struct list connections; /* served.list */
        uint64_t last_event;
        uint64_t n_dropped;
        struct event_queue absent; /* for the first that comes and takes events */
        bool is_behind;            /* somebody was, at the last post */
        uint64_t wanted_ns;        /* when netextd was last told that nobody is there, or 0 */
};

struct endpoints {
        struct nx_provider *provider;
        struct nx_endpoint *items; /* owned */
        size_t n_items;
        struct list ended;       /* served.list: to be freed when the round is over */
        struct loop_timer begin; /* handle_ready, in the first round */
        bool is_leaving;         /* another process of the extension has the names now */
        bool has_left;           /* and nobody waits for us: netextd was told */
};

/* 0, -EINVAL for a table that is none, -ENOMEM. */
int endpoints_init(struct endpoints *endpoints, struct nx_provider *provider);
/* Ends all connections. Fine on a zeroed one, and twice. */
void endpoints_deinit(struct endpoints *endpoints);
/* NX_MSG_EXTENSION_ENDPOINT_PEER; fd is taken. */
int endpoints_handle_peer(struct endpoints *endpoints, const struct wire_message *message, int *fd);
/* NX_MSG_EXTENSION_ENDPOINTS_LEAVE. */
void endpoints_leave(struct endpoints *endpoints);
/* The round is over. */
void endpoints_sweep(struct endpoints *endpoints);
/* A netextd is there that does not know yet what the one before was told. */
void endpoints_meet_daemon(struct endpoints *endpoints);
