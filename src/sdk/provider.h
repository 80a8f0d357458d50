/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The provider half's one object: a loop, the channel to netextd, sessions with their own. */

#include <netext/extension.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "sdk/ask.h"
#include "sdk/control.h"
#include "sdk/endpoint.h"
#include "sdk/key.h"
#include "sdk/session.h"
#include "sdk/system-watch.h"
#include "sdk/peer.h"

struct nx_provider {
        struct loop loop;
        struct nx_extension extension; /* strings and functions are the caller's */
        void *userdata;
        struct control control;
        struct list sessions; /* session.link */
        struct endpoints endpoints;
        struct asks asks;
        struct system_watch system_watch;
        struct key_calls key_calls;
        struct session *answers_for; /* whose answers are on their way, or NULL */
        bool is_dispatching;
        bool was_stopped;   /* the last session to end was: nothing to reconnect for */
        bool did_not_start; /* the start failed, and what it said is known to netextd */
        int result;         /* the error that ended us, or 0 */
        char error[512];
};

enum {
        PROVIDER_PEER_GONE = 1, /* provider_receive(): the other end was closed */
};

/* What the extension can be: 1 << enum nx_provider_kind for each. Never 0. */
uint32_t provider_kinds(const struct nx_provider *provider);

/* Waits at most timeout_ms for something to do and does it; the same errors as dispatch. */
int provider_round(struct nx_provider *provider, int timeout_ms);

/* Remembers why everything ends, tells netextd, and returns r. The first call counts. */
int provider_fail(struct nx_provider *provider, int r, const char *format, ...) _printf_(3, 4);
/* The same for a message that does not belong here. */
int provider_fail_message(struct nx_provider *provider, const char *peer_name,
                          enum wire_message_type type);

/* One datagram from peer through fn. 0, PROVIDER_PEER_GONE, or the error of provider_fail(). */
int provider_receive(struct nx_provider *provider, struct peer *peer, const char *peer_name,
                     channel_message_fn *fn, void *userdata);

/* Has any session a flow channel? */
bool provider_is_connected(const struct nx_provider *provider);

/* One that leaves, whose flowd has died, tells netextd when no flow is left: flowd's successor does
 * not know of any. Looks again in a while where there is one. */
void provider_tell_drained(struct nx_provider *provider);

/* Something was batched: it leaves at the end of the round, or now where none is running. */
void provider_flush_soon(struct nx_provider *provider);

DEFINE_CLEANUP(struct nx_provider *, provider, nx_provider_free)
