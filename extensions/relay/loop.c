/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One epoll set for all: the platform's channel, the signal, and a socket for each attempt.
 *
 * The platform has its turn behind the attempts of the same round: what it says can end any
 * attempt, also one whose event is still in our hands. An attempt's own turn ends that
 * attempt alone.
 */

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "relay/loop.h"

#define EVENTS_MAX 64

struct loop {
        struct relay *relay;          /* borrowed */
        struct nx_provider *provider; /* borrowed */
        int signal_fd;                /* owned */
        bool provider_is_ready, was_terminated;
};

static int add(struct loop *loop, int fd, void *mark)
{
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = mark };

        return epoll_ctl(loop->relay->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static sigset_t termination(void)
{
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        return mask;
}

int loop_hold_signals(void)
{
        sigset_t mask = termination();

        return sigprocmask(SIG_BLOCK, &mask, NULL) < 0 ? -errno : 0;
}

static int loop_init(struct loop *loop)
{
        sigset_t mask = termination();
        int r;

        loop->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (loop->signal_fd < 0)
                return -errno;
        r = add(loop, loop->signal_fd, &loop->signal_fd);
        return r < 0 ? r : add(loop, nx_provider_get_fd(loop->provider), loop->provider);
}

static void handle_event(struct loop *loop, void *mark)
{
        if (mark == loop->provider)
                loop->provider_is_ready = true;
        else if (mark == &loop->signal_fd)
                loop->was_terminated = true;
        else
                relay_go_on(loop->relay, mark);
}

static int run_once(struct loop *loop)
{
        struct epoll_event events[EVENTS_MAX];
        int n;

        n = epoll_wait(loop->relay->epoll_fd, events, EVENTS_MAX, relay_expire(loop->relay));
        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        loop->provider_is_ready = false;
        for (int i = 0; i < n; i++)
                handle_event(loop, events[i].data.ptr);
        return loop->provider_is_ready ? nx_provider_dispatch(loop->provider) : 0;
}

int loop_run(struct relay *relay, struct nx_provider *provider)
{
        struct loop loop = { .relay = relay, .provider = provider, .signal_fd = -1 };
        int r;

        r = loop_init(&loop);
        while (r >= 0 && !loop.was_terminated)
                r = run_once(&loop);
        if (loop.signal_fd >= 0)
                close(loop.signal_fd);
        return r == -EPIPE || r >= 0 ? 0 : r;
}
