/* SPDX-License-Identifier: Apache-2.0 */

/*
 * IP_TRANSPARENT (ip(7)) lets a socket answer from addresses that are not the host's. A
 * program that connects to the listener's own address gets here too; it belongs to no
 * flow, and whoever is told about it closes it.
 */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "deliver/listener.h"
#include "deliver/transparent.h"

#define BACKLOG 4096
#define BATCH   64 /* accepted in a row, before others have their turn */

static const sa_family_t families[LISTENER_FAMILIES] = { AF_INET, AF_INET6 };

static int open_one(sa_family_t family, uint16_t *ret_port)
{
        struct endpoint loopback = { .address = IN6ADDR_LOOPBACK_INIT }, bound;
        _cleanup_fd_ int fd = -1;
        int r;

        if (family == AF_INET)
                loopback.address = address_from_ipv4((struct in_addr){ htonl(INADDR_LOOPBACK) });
        fd = transparent_socket(SOCK_STREAM, &loopback);
        if (fd < 0)
                return fd;
        if (listen(fd, BACKLOG) < 0)
                return -errno;
        r = transparent_local(fd, &bound);
        if (r < 0)
                return r;
        *ret_port = bound.port;
        return take_fd(&fd);
}

int listener_open(struct listener *listener)
{
        for (int i = 0; i < LISTENER_FAMILIES; i++) {
                listener->ios[i] = (struct loop_io)LOOP_IO_NULL;
                listener->fds[i] = open_one(families[i], &listener->ports[i]);
        }
        return listener->fds[0] < 0 && listener->fds[1] < 0 ? listener->fds[0] : 0;
}

void listener_close(struct listener *listener)
{
        for (int i = 0; i < LISTENER_FAMILIES; i++) {
                if (listener->loop)
                        loop_remove(listener->loop, &listener->ios[i]);
                listener->fds[i] = close_fd(listener->fds[i]);
        }
}

static void accept_some(struct listener *listener, int listening_fd)
{
        for (int i = 0; i < BATCH && listening_fd >= 0; i++) {
                struct endpoint app, remote;
                int fd = transparent_accept(listening_fd, &app);

                if (fd < 0)
                        return;
                if (transparent_local(fd, &remote) < 0)
                        close_fd(fd);
                else
                        listener->fn(fd, &app, &remote, listener->userdata);
        }
}

void listener_catch_up(struct listener *listener)
{
        for (int i = 0; i < LISTENER_FAMILIES; i++)
                accept_some(listener, listener->fds[i]);
}

static int on_io(uint32_t events, void *userdata)
{
        listener_catch_up(userdata);
        return 0;
}

int listener_start(struct listener *listener, struct loop *loop, listener_accepted_fn *fn,
                   void *userdata)
{
        int r = 0;

        listener->loop = loop;
        listener->fn = fn;
        listener->userdata = userdata;
        for (int i = 0; i < LISTENER_FAMILIES && r >= 0; i++)
                if (listener->fds[i] >= 0)
                        r = loop_add(loop, &listener->ios[i], listener->fds[i], EPOLLIN, on_io,
                                     listener);
        return r;
}
