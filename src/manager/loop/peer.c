/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ties a channel to the event loop: one datagram a wake-up, so that a chatty peer is
 * served in turn with the others, and write interest only while something waits.
 * Whatever ends the connection arrives at one place, lost_fn, once.
 */

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "manager/loop/peer.h"

/* Datagrams; more than a socket's buffer holds of any that matter. */
#define DRAIN_MAX 64

static void peer_lose(struct peer *peer, int error)
{
        const char *why = peer->channel.problem;

        if (error == -EPIPE)
                why = "it closed the connection";
        else if (error != -EBADMSG || !why)
                why = strerror(-error);
        peer_close(peer);
        peer->lost_fn(why, peer->userdata);
}

static int peer_flush(struct peer *peer)
{
        uint32_t events = EPOLLIN;
        int r;

        r = channel_flush(&peer->channel);
        if (channel_wants_write(&peer->channel))
                events |= EPOLLOUT;
        (void)sd_event_source_set_io_events(peer->source, events);
        return r;
}

static int peer_dispatch(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct peer *peer = userdata;
        int r = 0;

        if (events & EPOLLOUT)
                r = peer_flush(peer);
        if (r >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                r = channel_receive(&peer->channel, peer->message_fn, peer->userdata);
        if (r < 0 && r != -EAGAIN && peer_is_open(peer))
                peer_lose(peer, r);
        return 0;
}

int peer_open(struct peer *peer, sd_event *event, int fd, channel_message_fn *message_fn,
              peer_lost_fn *lost_fn, void *userdata)
{
        int r;

        *peer = (struct peer){
                .message_fn = message_fn,
                .lost_fn = lost_fn,
                .userdata = userdata,
        };
        r = channel_init(&peer->channel, fd);
        if (r < 0)
                return r;
        r = sd_event_add_io(event, &peer->source, fd, EPOLLIN, peer_dispatch, peer);
        if (r < 0)
                peer_close(peer);
        return r;
}

void peer_close(struct peer *peer)
{
        peer->source = sd_event_source_disable_unref(peer->source);
        channel_deinit(&peer->channel);
}

void peer_drain(struct peer *peer)
{
        for (int i = 0; i < DRAIN_MAX && peer_is_open(peer); i++)
                if (channel_receive(&peer->channel, peer->message_fn, peer->userdata) < 0)
                        return;
}

int peer_send(struct peer *peer, int fd)
{
        int r;

        r = fd < 0 ? channel_end(&peer->channel) : channel_end_with_copy(&peer->channel, fd);
        if (r >= 0)
                r = peer_flush(peer);
        /* A peer that went away is reported by the loop, once. */
        return r == -EPIPE || r == -ECONNRESET ? 0 : r;
}
