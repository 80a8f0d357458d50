/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare relay's twin with netext-flowd's carrier: accepts and connects alike, then leaves
 * the bytes to src/flowd/relay. What differs in the numbers is the carrier.
 *
 *     netext-bench-relay-pool PORT MARK
 *
 * It prints "ready" once it listens.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/socket.h"
#include "relay/relay.h"
#include "relay-common.h"

static struct {
        struct loop loop;
        struct loop_io listener;
        struct relay_pool *pool;
        uint32_t mark;
        uint64_t last_id;
} relays;

/* Not carried before it is connected. */
struct attempt {
        struct loop_io io;
        int app_fd;
};

static void handle_ended(const struct relay_end *end, void *userdata)
{
        (void)end;
        (void)userdata;
}

static int handle_connected(uint32_t events, void *userdata)
{
        struct attempt *attempt = userdata;
        int upstream_fd = attempt->io.fd;

        (void)events;
        loop_remove(&relays.loop, &attempt->io);
        (void)relay_pool_add(relays.pool, ++relays.last_id, attempt->app_fd, upstream_fd);
        free(attempt);
        return 0;
}

static int attempt_start(int app_fd)
{
        struct attempt *attempt = calloc(1, sizeof(*attempt));
        int upstream_fd = relay_connect_on(app_fd, relays.mark);

        if (!attempt || upstream_fd < 0)
                return attempt ? upstream_fd : -ENOMEM;
        attempt->app_fd = app_fd;
        return loop_add(&relays.loop, &attempt->io, upstream_fd, EPOLLOUT, handle_connected,
                        attempt);
}

static int handle_client(uint32_t events, void *userdata)
{
        int fd, r;

        (void)events;
        (void)userdata;
        while ((fd = relay_accept(relays.listener.fd)) >= 0) {
                r = attempt_start(fd);
                if (r < 0)
                        return r;
        }
        return fd == -EAGAIN ? 0 : fd;
}

static int start(const struct relay_arguments *arguments)
{
        int fd, r;

        relays.mark = arguments->mark;
        r = loop_init(&relays.loop);
        if (r == 0)
                r = relay_pool_new(&relays.pool, &relays.loop, handle_ended, NULL);
        if (r < 0)
                return r;
        fd = relay_listen(arguments->port);
        if (fd < 0)
                return fd;
        r = socket_set_reset_on_close(fd, true); /* what is accepted inherits it */
        if (r < 0)
                return r;
        return loop_add(&relays.loop, &relays.listener, fd, EPOLLIN, handle_client, NULL);
}

int main(int argc, char **argv)
{
        struct relay_arguments arguments;
        int r;

        if (relay_parse_arguments(argc, argv, &arguments) < 0) {
                fprintf(stderr, "usage: %s PORT MARK\n", argv[0]);
                return EXIT_FAILURE;
        }
        signal(SIGPIPE, SIG_IGN);
        r = start(&arguments);
        if (r == 0) {
                puts("ready");
                fflush(stdout);
                r = loop_run(&relays.loop);
        }
        fprintf(stderr, "%s: %s\n", argv[0], strerror(-r));
        return EXIT_FAILURE;
}
