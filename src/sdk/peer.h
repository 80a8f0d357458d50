/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A daemon at the other end of a channel that the provider's loop watches. */

#include <errno.h>

#include "base/loop.h"
#include "wire/channel.h"

struct peer {
        struct channel channel;
        struct loop_io io;
        struct loop *loop; /* borrowed */
        bool is_blocked;   /* the socket is full: the loop watches for room */
};

#define PEER_NULL { .channel = CHANNEL_NULL, .io = LOOP_IO_NULL }

static inline bool peer_is_open(const struct peer *peer)
{
        return peer->channel.fd >= 0;
}

/* Sending failed because the other end is closed. The next receive tells the same, in order. */
static inline bool peer_is_gone(int r)
{
        return r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN;
}

/* Replaces what was open. Takes fd over, also on failure. */
int peer_open(struct peer *peer, struct loop *loop, int fd, loop_io_fn *fn, void *userdata);
/* Safe to repeat. */
void peer_close(struct peer *peer);
/* Sends what is batched. A peer that is gone is no error here. */
int peer_flush(struct peer *peer);
