/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

/*
 * While it is set, close() resets the connection, also the kernel's when we are killed: what was
 * cut off must not look like an end. While it is not, close() ends it well and does not wait.
 * Whoever shares the socket can have said otherwise (SO_LINGER of socket(7)), even that close()
 * waits; so say it again before you close what somebody else has had. 0 or a negative errno.
 */
static inline int socket_set_reset_on_close(int fd, bool is_reset)
{
        const struct linger linger = { .l_onoff = is_reset, .l_linger = 0 };

        return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0 ? -errno : 0;
}
