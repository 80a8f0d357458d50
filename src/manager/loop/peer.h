/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A program at the other end of a channel, in sd-event: netext-flowd, or an extension
 * on its control channel.
 */

#include <systemd/sd-event.h>

#include "wire/channel.h"

/* why: the sentence for the log. The peer is closed already; its owner may be freed here. */
typedef void peer_lost_fn(const char *why, void *userdata);

struct peer {
        struct channel channel;
        sd_event_source *source;
        channel_message_fn *message_fn; /* may close the peer, must not free its owner */
        peer_lost_fn *lost_fn;
        void *userdata;
};

#define PEER_NULL                                                                                  \
        {                                                                                          \
                .channel = CHANNEL_NULL                                                            \
        }

/* Takes fd over, also on failure. 0 or negative errno. */
int peer_open(struct peer *peer, sd_event *event, int fd, channel_message_fn *message_fn,
              peer_lost_fn *lost_fn, void *userdata);
/* Fine on PEER_NULL and twice. */
void peer_close(struct peer *peer);

static inline bool peer_is_open(const struct peer *peer)
{
        return peer->source != NULL;
}

static inline struct wire_writer *peer_begin(struct peer *peer, enum wire_message_type type,
                                             uint64_t id)
{
        return channel_begin(&peer->channel, type, id);
}

/* Ends the message and sends it, or queues it. 0 or negative errno, -ENOBUFS where the peer
 * does not read. fd: goes along, stays the caller's; -1 for none. */
int peer_send(struct peer *peer, int fd);

/* Delivers what a dead peer had sent before it died. lost_fn is not called. */
void peer_drain(struct peer *peer);
