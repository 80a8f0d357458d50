/* SPDX-License-Identifier: Apache-2.0 */

/* Ties a channel to the loop: watched for reading always, for writing while it is full. */

#include <sys/epoll.h>

#include "sdk/peer.h"

/* Settings can have ten thousand rules with long paths; what waits is this process's own. */
#define BACKLOG_MAX (64 * 1024 * 1024)

int peer_open(struct peer *peer, struct loop *loop, int fd, loop_io_fn *fn, void *userdata)
{
        int r;

        peer_close(peer);
        peer->loop = loop;
        peer->is_blocked = false;
        r = channel_init(&peer->channel, fd);
        if (r < 0)
                return r;
        peer->channel.backlog_max = BACKLOG_MAX;
        r = loop_add(loop, &peer->io, fd, EPOLLIN, fn, userdata);
        if (r < 0)
                peer_close(peer);
        return r;
}

void peer_close(struct peer *peer)
{
        if (!peer_is_open(peer))
                return;
        loop_remove(peer->loop, &peer->io);
        channel_deinit(&peer->channel);
}

int peer_flush(struct peer *peer)
{
        bool is_blocked;
        int r;

        if (!peer_is_open(peer))
                return 0;
        r = channel_flush(&peer->channel);
        if (peer_is_gone(r))
                return 0;
        if (r < 0)
                return r;

        is_blocked = channel_wants_write(&peer->channel);
        if (is_blocked == peer->is_blocked)
                return 0;
        peer->is_blocked = is_blocked;
        return loop_modify(peer->loop, &peer->io, EPOLLIN | (is_blocked ? EPOLLOUT : 0));
}
