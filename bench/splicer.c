/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "splicer.h"

#define N_EVENTS  64
#define PIPE_SIZE (1024 * 1024)
#define EVENTS    (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static struct {
        int epoll_fd, listener_fd;
        pair_begin_fn *begin;
        struct pair *idle;
        struct pair *ended; /* idle after this round, whose events may still name them */
} splicer;

/* --- a pair --------------------------------------------------------------------------- */

/* A user without privileges gets some large ones (fs.pipe-user-pages-soft), then small ones. */
static int pipe_open(int fds[2])
{
        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        (void)fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE);
        return 0;
}

/* NULL when there are no descriptors or no memory: a benchmark cannot go on then. */
static struct pair *pair_new(void)
{
        struct pair *pair = calloc(1, sizeof(*pair));

        if (!pair || pipe_open(pair->app.pipe) < 0 || pipe_open(pair->upstream.pipe) < 0)
                return NULL;
        pair->app.pair = pair->upstream.pair = pair;
        pair->app.other = &pair->upstream;
        pair->upstream.other = &pair->app;
        return pair;
}

static struct pair *pair_take(void)
{
        struct pair *pair = splicer.idle;

        if (pair)
                splicer.idle = pair->next;
        else
                pair = pair_new();
        if (!pair)
                return NULL;
        pair->app.fd = pair->upstream.fd = -1;
        pair->is_over = false;
        return pair;
}

/* With a reset, as the load's clients do it: no TIME_WAIT is left. */
static void socket_reset(int fd)
{
        const struct linger linger = { .l_onoff = 1 };

        if (fd < 0)
                return;
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

static void pair_end(struct pair *pair)
{
        pair->is_over = true;
        socket_reset(pair->app.fd);
        socket_reset(pair->upstream.fd);
        half_empty(&pair->app);
        half_empty(&pair->upstream);
        pair->next = splicer.ended;
        splicer.ended = pair;
}

/* --- its halves ----------------------------------------------------------------------- */

int half_watch(struct half *half, int fd, half_ready_fn *ready)
{
        struct epoll_event event = { .events = EVENTS, .data.ptr = half };

        half->fd = fd;
        half->ready = ready;
        return epoll_ctl(splicer.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static ssize_t move(int from, int to, size_t size)
{
        ssize_t n = splice(from, NULL, to, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

        return n < 0 ? -errno : n;
}

/* Until the source has no more or the target takes no more; the end of the stream is an error,
 * too. */
static int half_move(struct half *half)
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

int half_carry(struct half *half, uint32_t events)
{
        int r = 0;

        if (events & (EPOLLERR | EPOLLHUP))
                return -EIO;
        if (events & (EPOLLIN | EPOLLRDHUP))
                r = half_move(half);
        if (r == 0 && half->other->n_piped > 0)
                r = half_move(half->other);
        return r;
}

/* --- all of them ---------------------------------------------------------------------- */

static int accept_all(void)
{
        struct pair *pair;
        int fd;

        while ((fd = accept4(splicer.listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
                pair = pair_take();
                if (!pair)
                        return -ENOMEM;
                pair->app.fd = fd;
                if (splicer.begin(pair) < 0)
                        pair_end(pair);
        }
        return errno == EAGAIN ? 0 : -errno;
}

static void forget_ended(void)
{
        while (splicer.ended) {
                struct pair *pair = splicer.ended;

                splicer.ended = pair->next;
                pair->next = splicer.idle;
                splicer.idle = pair;
        }
}

static void handle_event(struct half *half, uint32_t events)
{
        if (!half->pair->is_over && half->ready(half, events) < 0)
                pair_end(half->pair);
}

static int serve_round(void)
{
        struct epoll_event events[N_EVENTS];
        int n = epoll_wait(splicer.epoll_fd, events, N_EVENTS, -1), r = 0;

        for (int i = 0; i < n && r == 0; i++) {
                if (events[i].data.ptr)
                        handle_event(events[i].data.ptr, events[i].events);
                else
                        r = accept_all();
        }
        forget_ended();
        return r;
}

int splicer_serve(int listener_fd, pair_begin_fn *begin)
{
        struct epoll_event event = { .events = EPOLLIN };
        int r = 0;

        signal(SIGPIPE, SIG_IGN);
        splicer.listener_fd = listener_fd;
        splicer.begin = begin;
        splicer.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (epoll_ctl(splicer.epoll_fd, EPOLL_CTL_ADD, listener_fd, &event) < 0)
                return -errno;
        puts("ready");
        fflush(stdout);
        while (r == 0)
                r = serve_round();
        return r;
}
