/* SPDX-License-Identifier: Apache-2.0 */

/* The way to an upstream or a destination begins with a socket that says whose it is. */

#include <errno.h>
#include <unistd.h>

#include <netext/proxy.h>

#include "relay/way.h"

/* Where the platform knows no origins, the connection is ours, which is no harm; but it goes into
 * no tunnel. */
static int attach(struct nx_flow *flow, int fd, const char *tunnel)
{
        int r;

        if (tunnel)
                return nx_flow_attach_via(flow, fd, NX_EGRESS_TUNNEL, tunnel);
        r = nx_flow_attach(flow, fd);
        return r == -EOPNOTSUPP ? 0 : r;
}

static int begin_connect(int fd, const struct address *address)
{
        struct sockaddr_storage to;
        socklen_t size = address_to_sockaddr(address, &to);

        if (connect(fd, (const struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS)
                return -errno;
        return 0;
}

int way_open(int *ret_fd, struct nx_flow *flow, const struct address *address, const char *tunnel)
{
        int family = address_is_ipv4(address) ? AF_INET : AF_INET6;
        int fd, r;

        fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        r = attach(flow, fd, tunnel);
        if (r == 0)
                r = begin_connect(fd, address);
        if (r < 0) {
                close(fd);
                return r;
        }
        *ret_fd = fd;
        return 0;
}

bool way_was_short(int error)
{
        return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}
