/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Before the loop runs, so it is waited for here. It takes away what it has in the kernel, and is
 * gone when its end of the channel is.
 */

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "manager/engine/earlier.h"
#include "manager/priv/folder.h"
#include "wire/channel.h"

#define PATIENCE_MS 5000 /* with each message of its */

static int ignore(const struct wire_message *message, int *fd, void *userdata)
{
        return 0;
}

static int tell_to_quit(struct channel *channel)
{
        int r;

        (void)channel_begin(channel, NX_MSG_FLOWD_QUIT, 0);
        r = channel_end(channel);
        return r < 0 ? r : channel_flush(channel);
}

static int wait_for_end(struct channel *channel)
{
        struct pollfd pollfd = { .fd = channel->fd, .events = POLLIN };
        int r;

        do {
                if (poll(&pollfd, 1, PATIENCE_MS) <= 0)
                        return -ETIMEDOUT;
                r = channel_receive(channel, ignore, NULL);
        } while (r >= 0 || r == -EAGAIN);
        return r == -EPIPE ? 0 : r;
}

int earlier_end(const char *flowd_socket)
{
        struct channel channel = CHANNEL_NULL;
        int fd, r;

        fd = folder_connect(flowd_socket, SOCK_SEQPACKET);
        if (fd < 0)
                return fd == -ECONNREFUSED || fd == -ENOENT ? 0 : fd;
        r = channel_init(&channel, fd);
        if (r >= 0)
                r = tell_to_quit(&channel);
        if (r >= 0)
                r = wait_for_end(&channel);
        channel_deinit(&channel);
        return r;
}
