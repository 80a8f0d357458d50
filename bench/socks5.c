/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SOCKS5 server of the benchmarks (RFC 1928): no login, CONNECT to IPv4 addresses, then it
 * splices both ways (splicer.h). It is there because a server that is slower than those who
 * are measured in front of it measures itself. Each message is taken to come in one piece.
 *
 *     netext-bench-socks5 PORT
 *
 * It listens on 127.0.0.1, and prints "ready" once it does.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "splicer.h"

#define HELLO_MAX    257
#define REQUEST_SIZE 10

static int say(int fd, const void *bytes, size_t size)
{
        return send(fd, bytes, size, 0) == (ssize_t)size ? 0 : -EPIPE;
}

/* What came while the program thought of other things is told by no event any more. */
static int carry_both(struct pair *pair)
{
        int r;

        pair->app.ready = pair->upstream.ready = half_carry;
        r = half_carry(&pair->app, EPOLLIN);
        return r < 0 ? r : half_carry(&pair->upstream, EPOLLIN);
}

static int handle_connected(struct half *upstream, uint32_t events)
{
        static const uint8_t reply[REQUEST_SIZE] = { 5, 0, 0, 1 };
        int r;

        if (events & (EPOLLERR | EPOLLHUP))
                return -ECONNREFUSED;
        if (!(events & EPOLLOUT))
                return 0;
        r = say(upstream->other->fd, reply, sizeof(reply));
        return r < 0 ? r : carry_both(upstream->pair);
}

static int connect_to(const struct sockaddr_in *destination)
{
        const int one = 1;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;

        if (fd < 0)
                return -errno;
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0 &&
            (connect(fd, (const struct sockaddr *)destination, sizeof(*destination)) == 0 ||
             errno == EINPROGRESS))
                return fd;
        error = errno;
        close(fd);
        return -error;
}

/* Between request and reply a client has nothing to say. */
static int handle_early(struct half *app, uint32_t events)
{
        (void)app;
        return events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP) ? -ECONNRESET : 0;
}

static int handle_request(struct half *app, uint32_t events)
{
        struct sockaddr_in destination = { .sin_family = AF_INET };
        uint8_t request[REQUEST_SIZE];
        int fd;

        if (!(events & EPOLLIN))
                return handle_early(app, events);
        if (recv(app->fd, request, sizeof(request), 0) != sizeof(request) ||
            memcmp(request, (uint8_t[]){ 5, 1, 0, 1 }, 4) != 0)
                return -EPROTO;
        memcpy(&destination.sin_addr, request + 4, 4);
        memcpy(&destination.sin_port, request + 8, 2);
        fd = connect_to(&destination);
        if (fd < 0)
                return fd;
        app->ready = handle_early;
        return half_watch(app->other, fd, handle_connected);
}

static int handle_hello(struct half *app, uint32_t events)
{
        uint8_t hello[HELLO_MAX];
        ssize_t n;

        if (!(events & EPOLLIN))
                return handle_early(app, events);
        n = recv(app->fd, hello, sizeof(hello), 0);
        if (n < 3 || hello[0] != 5 || !memchr(hello + 2, 0, (size_t)n - 2))
                return -EPROTO;
        app->ready = handle_request;
        return say(app->fd, (uint8_t[]){ 5, 0 }, 2);
}

static int begin(struct pair *pair)
{
        return half_watch(&pair->app, pair->app.fd, handle_hello);
}

static int listen_at(uint16_t port)
{
        const struct sockaddr_in address = { .sin_family = AF_INET,
                                             .sin_port = htons(port),
                                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        const int one = 1;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
            bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
            listen(fd, 4096) < 0)
                return -errno;
        return fd;
}

int main(int argc, char **argv)
{
        unsigned long port = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
        int r;

        if (port == 0 || port > UINT16_MAX) {
                fprintf(stderr, "usage: %s PORT\n", argv[0]);
                return EXIT_FAILURE;
        }
        r = listen_at((uint16_t)port);
        if (r >= 0)
                r = splicer_serve(r, begin);
        fprintf(stderr, "%s: %s\n", argv[0], strerror(-r));
        return EXIT_FAILURE;
}
