/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An extension that says hello with the KINDS it was built with, starts as whatever it is
 * asked to, and decides nothing: for scenarios about sessions, not about flows.
 */

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "wire/channel.h"

struct ends {
        struct channel control; /* to netextd */
        struct channel flows;   /* to netext-flowd */
};

static int send_hello(struct channel *control)
{
        struct wire_writer *writer = channel_begin(control, NX_MSG_MANAGER_EXTENSION_HELLO, 0);

        wire_put(writer, WIRE_ATTR_VERSION, WIRE_VERSION);
        wire_put_string(writer, WIRE_ATTR_NAME, IDENTIFIER);
        wire_put(writer, WIRE_ATTR_KINDS, KINDS);
        return channel_end(control) < 0 ? -EIO : channel_flush(control);
}

static int receive(const struct wire_message *message, int *fd, void *userdata)
{
        struct ends *ends = userdata;
        struct wire_writer *writer;

        if (message->type == NX_MSG_EXTENSION_CHANNEL)
                return channel_init(&ends->flows, take_fd(fd));
        if (message->type != NX_MSG_PROVIDER_START)
                return 0;
        writer = channel_begin(&ends->flows, NX_MSG_ENGINE_STARTED, 0);
        wire_put(writer, WIRE_ATTR_VERSION, WIRE_VERSION);
        wire_put(writer, WIRE_ATTR_RESULT, 0);
        return channel_end(&ends->flows) < 0 ? -EIO : channel_flush(&ends->flows);
}

static bool serve(struct channel *channel, struct ends *ends)
{
        int r = channel->fd < 0 ? -EAGAIN : channel_receive(channel, receive, ends);

        return r == 0 || r == -EAGAIN;
}

int main(void)
{
        struct ends ends = { CHANNEL_NULL, CHANNEL_NULL };
        int r;

        r = channel_init(&ends.control, atoi(getenv("NETEXT_CONTROL_FD") ?: "-1"));
        if (r >= 0)
                r = send_hello(&ends.control);
        while (r >= 0 && serve(&ends.control, &ends) && serve(&ends.flows, &ends)) {
                struct pollfd fds[] = {
                        { .fd = ends.control.fd, .events = POLLIN },
                        { .fd = ends.flows.fd, .events = POLLIN },
                };

                poll(fds, 2, -1);
        }
        channel_deinit(&ends.flows);
        channel_deinit(&ends.control);
        return r < 0 ? 1 : 0;
}
