/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The link to netextd: sessions come in, flows and news go out. netextd may go and come
 * back; meanwhile nothing here changes for the flows. A second one is turned away while
 * the first is there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"
#include "chain/session.h"
#include "engine/rejudge.h"
#include "wire/channel.h"

#define LISTINGS_MAX 16

struct engine;
struct flow;

/* A list of flows that is being sent, in pieces that the link can take. */
struct listing {
        uint64_t request; /* 0: free */
        uint64_t next;    /* the flow to look for next */
        uint64_t last;
        bool found;
        uint64_t digest_request; /* that it waits for, or 0: of one flow, whose program is read */
};

struct link {
        struct engine *engine;
        struct channel channel;
        struct loop_io io;
        struct loop_io listen_io;
        bool wants_write;
        bool watched;
        uint64_t events_lost; /* the watcher did not keep up */
        struct listing listings[LISTINGS_MAX];
        struct loop_timer digest_timer; /* for all that wait */
        struct rejudging rejudging;
        struct loop_timer rejudge_timer; /* until the next round */
};

int link_init(struct link *link, struct engine *engine);
void link_deinit(struct link *link);
/* Sends what collected in this round. */
void link_flush(struct link *link);

/* To those who watch, if any. */
void link_tell_flow(struct link *link, const struct flow *flow, enum wire_flow_event event);
/* Asks netextd for the executable of a process; the answer goes to the digests. */
void link_ask_executable(struct link *link, uint64_t request, uint32_t pid);
/* What request was to find out is known, or cannot be. */
void link_digest_settled(struct link *link, uint64_t request);
/* error: 0, or why it failed. */
void link_tell_session(struct link *link, const struct session *session, int error,
                       const char *text);
/* It leaves, and has no flows any more. */
void link_tell_drained(struct link *link, const struct session *session);
