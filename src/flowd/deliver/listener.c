/* SPDX-License-Identifier: Apache-2.0 */

/*
 * IP_TRANSPARENT (ip(7)) lets a socket answer from addresses that are not the host's. A
 * program that connects to the listener's own address gets here too; it belongs to no
 * flow, and whoever is told about it closes it.
 *
 * Without a free descriptor nothing can be accepted, and what waits would wait for ever and
 * keep the loop awake. One is kept for that: it is closed, the connection accepted in its
 * place and reset, and another one kept.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "deliver/listener.h"
#include "deliver/transparent.h"

#define BACKLOG 4096
#define BATCH   64 /* accepted in a row, before others have their turn */

#define PAUSE_NS    (100 * 1000000ULL)
#define HEADROOM    64   /* descriptors that are not for flows */
#define FDS_DEFAULT 1024 /* where the limit is not to be had */

static const sa_family_t families[LISTENER_FAMILIES] = { AF_INET, AF_INET6 };

/* What is accepted inherits both: close() is a reset until somebody has carried it to its end, and
 * small writes, which are the programs' own choice, are not held back. */
static int open_one(sa_family_t family, uint16_t *ret_port)
{
        struct endpoint loopback = { .address = IN6ADDR_LOOPBACK_INIT }, bound;
        _cleanup_fd_ int fd = -1;
        int on = 1, r;

        if (family == AF_INET)
                loopback.address = address_from_ipv4((struct in_addr){ htonl(INADDR_LOOPBACK) });
        fd = transparent_socket(SOCK_STREAM, &loopback);
        if (fd < 0)
                return fd;
        r = socket_set_reset_on_close(fd, true);
        if (r < 0)
                return r;
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
            listen(fd, BACKLOG) < 0)
                return -errno;
        r = transparent_local(fd, &bound);
        if (r < 0)
                return r;
        *ret_port = bound.port;
        return take_fd(&fd);
}

static int any_fd(const struct listener *listener)
{
        return listener->fds[0] >= 0 ? listener->fds[0] : listener->fds[1];
}

static int keep_spare(struct listener *listener)
{
        if (listener->spare_fd < 0)
                listener->spare_fd = fcntl(any_fd(listener), F_DUPFD_CLOEXEC, 3);
        return listener->spare_fd < 0 ? -errno : 0;
}

/* The kernel gives the lowest number that is free. */
bool listener_is_short(const struct listener *listener)
{
        int fd = fcntl(any_fd(listener), F_DUPFD_CLOEXEC, 3);
        int n_fds = fd;

        close_fd(fd);
        return n_fds < 0 || n_fds > listener->n_fds_max - HEADROOM;
}

int listener_open(struct listener *listener)
{
        struct rlimit limit = { .rlim_cur = FDS_DEFAULT };

        (void)getrlimit(RLIMIT_NOFILE, &limit);
        listener->n_fds_max = (int)limit.rlim_cur;
        listener->spare_fd = -1;
        for (int i = 0; i < LISTENER_FAMILIES; i++) {
                listener->ios[i] = (struct loop_io)LOOP_IO_NULL;
                listener->fds[i] = open_one(families[i], &listener->ports[i]);
        }
        if (listener->fds[0] < 0 && listener->fds[1] < 0)
                return listener->fds[0];
        return keep_spare(listener);
}

void listener_close(struct listener *listener)
{
        for (int i = 0; i < LISTENER_FAMILIES; i++) {
                if (listener->loop)
                        loop_remove(listener->loop, &listener->ios[i]);
                listener->fds[i] = close_fd(listener->fds[i]);
        }
        if (listener->loop)
                loop_timer_stop(&listener->pause_timer);
        listener->spare_fd = close_fd(listener->spare_fd);
}

/* False where not even that is possible. */
static bool refuse_one(struct listener *listener, int listening_fd)
{
        struct endpoint nobody;
        int fd;

        listener->spare_fd = close_fd(listener->spare_fd);
        fd = transparent_accept(listening_fd, &nobody);
        if (fd >= 0)
                listener->n_refused++;
        close_fd(fd);
        return keep_spare(listener) >= 0 && fd >= 0;
}

static bool is_lack(int r)
{
        return r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM;
}

static void take(struct listener *listener, int fd, const struct endpoint *app)
{
        struct endpoint remote;

        if (transparent_local(fd, &remote) < 0)
                close_fd(fd);
        else
                listener->fn(fd, app, &remote, listener->userdata);
}

/* At most n. How many there were, or a negative errno where there is more, and no way to take it.
 */
static int accept_some(struct listener *listener, int listening_fd, unsigned int n)
{
        unsigned int n_taken = 0;

        while (n_taken < n && listening_fd >= 0) {
                struct endpoint app;
                int fd = transparent_accept(listening_fd, &app);

                if (is_lack(fd) && !refuse_one(listener, listening_fd))
                        return fd;
                if (fd == -EAGAIN)
                        break;
                n_taken++;
                if (fd >= 0) /* else that connection is over (accept(2)) */
                        take(listener, fd, &app);
        }
        return (int)n_taken;
}

static int watch(struct listener *listener);

static int on_pause_over(void *userdata)
{
        (void)keep_spare(userdata); /* else the next lack tries again */
        return watch(userdata);
}

static void pause_listening(struct listener *listener)
{
        for (int i = 0; i < LISTENER_FAMILIES; i++)
                loop_remove(listener->loop, &listener->ios[i]);
        loop_timer_start(listener->loop, &listener->pause_timer, now_ns() + PAUSE_NS);
}

void listener_accept(struct listener *listener, unsigned int n)
{
        int r = 0;

        for (int i = 0; i < LISTENER_FAMILIES && n > 0 && r >= 0; i++) {
                r = accept_some(listener, listener->fds[i], n);
                n -= r > 0 ? (unsigned int)r : 0;
        }
        if (r < 0)
                pause_listening(listener);
}

static int on_io(uint32_t events, void *userdata)
{
        listener_accept(userdata, BATCH);
        return 0;
}

static int watch(struct listener *listener)
{
        int r = 0;

        for (int i = 0; i < LISTENER_FAMILIES && r >= 0; i++)
                if (listener->fds[i] >= 0)
                        r = loop_add(listener->loop, &listener->ios[i], listener->fds[i], EPOLLIN,
                                     on_io, listener);
        return r;
}

int listener_start(struct listener *listener, struct loop *loop, listener_accepted_fn *fn,
                   void *userdata)
{
        listener->loop = loop;
        listener->fn = fn;
        listener->userdata = userdata;
        loop_timer_init(&listener->pause_timer, on_pause_over, listener);
        return watch(listener);
}
