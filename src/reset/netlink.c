/* SPDX-License-Identifier: Apache-2.0 */

/* A socket for each question, so that no answer is taken for another's. */

#include <errno.h>

#include "base/cleanup.h"
#include "reset/netlink.h"

DEFINE_CLEANUP(struct mnl_socket *, socket, mnl_socket_close)

int netlink_ask(int bus, const void *messages, size_t size, mnl_cb_t fn, void *userdata)
{
        _cleanup_(cleanup_socket) struct mnl_socket *socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
        char buffer[NETLINK_MESSAGE_MAX];
        ssize_t n;
        int r;

        if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
            mnl_socket_sendto(socket, messages, size) < 0)
                return -errno;
        do {
                n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
                if (n < 0)
                        return -errno;
                r = mnl_cb_run(buffer, (size_t)n, 0, mnl_socket_get_portid(socket), fn, userdata);
        } while (r > MNL_CB_STOP);
        return r < 0 ? -errno : 0;
}
