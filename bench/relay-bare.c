/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare relay: accepts what tproxy delivers, connects to where the client wanted to go, and
 * splices both ways through pipes of 1 MiB, in one process. Nothing else: no half-close, no
 * limits, no accounting. This is the least that going through user space can cost.
 *
 *     netext-bench-relay-bare PORT MARK
 *
 * It prints "ready" once it listens.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay-common.h"

#define N_EVENTS  64
#define PIPE_SIZE (1024 * 1024)
#define EVENTS    (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/* One direction: from its own socket to the other one's. */
struct half {
        struct half *other;
        int fd;
        int pipe[2];
        size_t n_piped;
};

/* A finished relay waits with its pipes for the next client. */
struct relay {
        struct half app, upstream;
        struct relay *next; /* relays.idle, or .ended */
        bool is_over;
};

static struct {
        int epoll_fd, listener_fd;
        uint32_t mark;
        struct relay *idle;
        struct relay *ended; /* idle after this round, whose events may still name them */
} relays;

static int pipe_open(int fds[2])
{
        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        return fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE) < 0 ? -errno : 0;
}

/* NULL when there are no descriptors or no memory: a benchmark cannot go on then. */
static struct relay *relay_new(void)
{
        struct relay *relay = calloc(1, sizeof(*relay));

        if (!relay || pipe_open(relay->app.pipe) < 0 || pipe_open(relay->upstream.pipe) < 0)
                return NULL;
        relay->app.other = &relay->upstream;
        relay->upstream.other = &relay->app;
        return relay;
}

static struct relay *relay_take(void)
{
        struct relay *relay = relays.idle;

        if (!relay)
                return relay_new();
        relays.idle = relay->next;
        relay->is_over = false;
        return relay;
}

/* With a reset, as the load's clients do it: no TIME_WAIT is left. */
static void socket_reset(int fd)
{
        const struct linger linger = { .l_onoff = 1 };

        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        close(fd);
}

/* What is left in a pipe would be the next client's. */
static void half_empty(struct half *half)
{
        static char waste[PIPE_SIZE];

        while (half->n_piped > 0) {
                ssize_t n = read(half->pipe[0], waste, sizeof(waste));

                half->n_piped -= n > 0 ? (size_t)n : half->n_piped;
        }
}

static void relay_end(struct relay *relay)
{
        if (relay->is_over)
                return;
        relay->is_over = true;
        socket_reset(relay->app.fd);
        socket_reset(relay->upstream.fd);
        half_empty(&relay->app);
        half_empty(&relay->upstream);
        relay->next = relays.ended;
        relays.ended = relay;
}

static ssize_t move(int from, int to, size_t size)
{
        ssize_t n = splice(from, NULL, to, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

        return n < 0 ? -errno : n;
}

/* Until the source has no more or the target takes no more. 0 or a negative errno; the end of
 * the stream is an error, too. */
static int half_carry(struct half *half)
{
        ssize_t n;

        for (;;) {
                if (half->n_piped == 0) {
                        n = move(half->fd, half->pipe[1], PIPE_SIZE);
                        if (n <= 0)
                                return n == -EAGAIN ? 0 : n == 0 ? -ENODATA : (int)n;
                        half->n_piped = (size_t)n;
                }
                n = move(half->pipe[0], half->other->fd, half->n_piped);
                if (n < 0)
                        return n == -EAGAIN ? 0 : (int)n;
                half->n_piped -= (size_t)n;
        }
}

static void half_event(struct half *half, struct relay *relay, uint32_t events)
{
        int r = 0;

        if (relay->is_over)
                return;
        if (events & (EPOLLERR | EPOLLHUP))
                r = -EIO;
        if (r == 0 && (events & (EPOLLIN | EPOLLRDHUP)))
                r = half_carry(half);
        if (r == 0 && half->other->n_piped > 0)
                r = half_carry(half->other);
        if (r < 0)
                relay_end(relay);
}

/* The lowest bit of a pointer says whose event it is. */
static int half_watch(struct half *half, struct relay *relay, bool is_upstream)
{
        struct epoll_event event = { .events = EVENTS,
                                     .data.u64 = (uintptr_t)relay | (is_upstream ? 1 : 0) };

        return epoll_ctl(relays.epoll_fd, EPOLL_CTL_ADD, half->fd, &event) < 0 ? -errno : 0;
}

static int relay_start(struct relay *relay, int app_fd)
{
        int r;

        relay->app.fd = app_fd;
        relay->upstream.fd = relay_connect_on(app_fd, relays.mark);
        if (relay->upstream.fd < 0)
                return relay->upstream.fd;
        r = half_watch(&relay->upstream, relay, true);
        return r < 0 ? r : half_watch(&relay->app, relay, false);
}

static int accept_all(void)
{
        struct relay *relay;
        int fd;

        while ((fd = relay_accept(relays.listener_fd)) >= 0) {
                relay = relay_take();
                if (!relay)
                        return -ENOMEM;
                if (relay_start(relay, fd) < 0)
                        relay_end(relay);
        }
        return fd == -EAGAIN ? 0 : fd;
}

static void forget_ended(void)
{
        while (relays.ended) {
                struct relay *relay = relays.ended;

                relays.ended = relay->next;
                relay->next = relays.idle;
                relays.idle = relay;
        }
}

static void handle_event(const struct epoll_event *event)
{
        struct relay *relay = (struct relay *)(uintptr_t)(event->data.u64 & ~UINT64_C(1));

        half_event(event->data.u64 & 1 ? &relay->upstream : &relay->app, relay, event->events);
}

static int serve(void)
{
        struct epoll_event events[N_EVENTS];
        int n, r;

        for (;;) {
                n = epoll_wait(relays.epoll_fd, events, N_EVENTS, -1);
                for (int i = 0; i < n; i++) {
                        if (events[i].data.u64 != 0) {
                                handle_event(&events[i]);
                                continue;
                        }
                        r = accept_all();
                        if (r < 0)
                                return r;
                }
                forget_ended();
        }
}

static int start(const struct relay_arguments *arguments)
{
        struct epoll_event event = { .events = EPOLLIN };

        relays.mark = arguments->mark;
        relays.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        relays.listener_fd = relay_listen(arguments->port);
        if (relays.listener_fd < 0)
                return relays.listener_fd;
        if (epoll_ctl(relays.epoll_fd, EPOLL_CTL_ADD, relays.listener_fd, &event) < 0)
                return -errno;
        puts("ready");
        fflush(stdout);
        return 0;
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
        if (r == 0)
                r = serve();
        fprintf(stderr, "%s: %s\n", argv[0], strerror(-r));
        return EXIT_FAILURE;
}
