/* SPDX-License-Identifier: Apache-2.0 */

/* The bytes are of no use: only where they came from and where they were going is read. */

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "deliver/strays.h"
#include "deliver/transparent.h"

#define BATCH 256 /* read in a row, before others have their turn */

#ifndef IPV6_RECVORIGDSTADDR
#define IPV6_RECVORIGDSTADDR 74
#endif

static int open_one(bool is_ipv4, uint16_t port)
{
        struct endpoint loopback = { .address = IN6ADDR_LOOPBACK_INIT, .port = port };
        _cleanup_fd_ int fd = -1;
        int on = 1, r;

        if (is_ipv4)
                loopback.address = address_from_ipv4((struct in_addr){ htonl(INADDR_LOOPBACK) });
        fd = transparent_socket(SOCK_DGRAM, &loopback);
        if (fd < 0)
                return fd;
        if (is_ipv4)
                r = setsockopt(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, &on, sizeof(on));
        else
                r = setsockopt(fd, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, &on, sizeof(on));
        return r < 0 ? -errno : take_fd(&fd);
}

int strays_open(struct strays *strays, const struct listener *listener)
{
        int r = 0;

        for (int i = 0; i < LISTENER_FAMILIES; i++) {
                strays->ios[i] = (struct loop_io)LOOP_IO_NULL;
                strays->fds[i] = -1;
        }
        for (int i = 0; i < LISTENER_FAMILIES && r >= 0; i++)
                if (listener->fds[i] >= 0)
                        r = strays->fds[i] = open_one(i == 0, listener->ports[i]);
        if (r < 0)
                strays_close(strays);
        return r < 0 ? r : 0;
}

void strays_close(struct strays *strays)
{
        for (int i = 0; i < LISTENER_FAMILIES; i++) {
                if (strays->loop)
                        loop_remove(strays->loop, &strays->ios[i]);
                strays->fds[i] = close_fd(strays->fds[i]);
        }
}

static bool find_destination(struct msghdr *msg, struct endpoint *ret)
{
        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
                bool is_ipv4 =
                        cmsg->cmsg_level == IPPROTO_IP && cmsg->cmsg_type == IP_RECVORIGDSTADDR;
                bool is_ipv6 =
                        cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_RECVORIGDSTADDR;

                if (is_ipv4 || is_ipv6) {
                        *ret = transparent_endpoint((struct sockaddr *)CMSG_DATA(cmsg));
                        return true;
                }
        }
        return false;
}

/* False: there is no more. */
static bool take_one(struct strays *strays, int fd)
{
        struct sockaddr_storage source = {};
        char control[CMSG_SPACE(sizeof(struct sockaddr_in6))];
        struct msghdr msg = {
                .msg_name = &source,
                .msg_namelen = sizeof(source),
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        struct endpoint app, remote;

        if (recvmsg(fd, &msg, MSG_DONTWAIT) < 0)
                return false;
        app = transparent_endpoint((struct sockaddr *)&source);
        if (find_destination(&msg, &remote))
                strays->fn(&app, &remote, strays->userdata);
        return true;
}

static int on_io(uint32_t events, void *userdata)
{
        struct strays *strays = userdata;

        for (int i = 0; i < LISTENER_FAMILIES; i++)
                for (int n = 0; n < BATCH && strays->fds[i] >= 0; n++)
                        if (!take_one(strays, strays->fds[i]))
                                break;
        return 0;
}

int strays_start(struct strays *strays, struct loop *loop, strays_fn *fn, void *userdata)
{
        int r = 0;

        strays->loop = loop;
        strays->fn = fn;
        strays->userdata = userdata;
        for (int i = 0; i < LISTENER_FAMILIES && r >= 0; i++)
                if (strays->fds[i] >= 0)
                        r = loop_add(loop, &strays->ios[i], strays->fds[i], EPOLLIN, on_io, strays);
        return r;
}
