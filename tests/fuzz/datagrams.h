/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An input as datagrams: each is two bytes size and as many bytes, or what there is. */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Both ends of a socket that keeps datagrams apart, as netlink does. */
static inline void datagram_pair(int fds[static 2])
{
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                abort();
}

/* Sends the next of them and steps over it: false where there is none, or no room for it. */
static inline bool send_datagram(int fd, const uint8_t **data, size_t *size)
{
        size_t n;

        if (*size <= 2)
                return false;
        n = (*data)[0] | (size_t)(*data)[1] << 8;
        n = n < *size - 2 ? n : *size - 2;
        if (n > 0 && send(fd, *data + 2, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
                return false;
        *data += 2 + n;
        *size -= 2 + n;
        return true;
}
