/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Helpers of netext-bench-load: time, the alarm that ends a run, and sockets
 * that leave no TIME_WAIT behind and may have to greet a SOCKS5 server first.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "load.h"

volatile sig_atomic_t stopped;

void close_fdp(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

void freep(void *p)
{
        free(*(void **)p);
}

uint64_t now_ns(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void on_alarm(int sig)
{
        (void)sig;
        stopped = 1;
}

/* Interrupts blocking calls at the deadline, and again in case the first
 * signal fell between the check of `stopped` and the call. */
int alarm_at(double seconds)
{
        struct sigaction action = {.sa_handler = on_alarm};
        struct itimerval timer = {
                .it_value.tv_sec = (time_t)seconds,
                .it_value.tv_usec = (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6),
                .it_interval.tv_usec = 20 * 1000,
        };

        if (sigaction(SIGALRM, &action, NULL) < 0 || setitimer(ITIMER_REAL, &timer, NULL) < 0)
                return -errno;
        return 0;
}

int socket_set_reset_on_close(int fd)
{
        const struct linger linger = {.l_onoff = 1, .l_linger = 0};

        return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0 ? -errno : 0;
}

int exchange_blocking(const struct exchange *exchange, int fd)
{
        unsigned char answer[sizeof(exchange->say)];

        if (send(fd, exchange->say, exchange->n_say, MSG_NOSIGNAL) != (ssize_t)exchange->n_say)
                return -errno;
        if (recv(fd, answer, exchange->n_answer, MSG_WAITALL) != (ssize_t)exchange->n_answer)
                return -EPIPE;
        return 0;
}

int connect_blocking(const struct options *options, int *ret_fd)
{
        const struct target *target = &options->target;
        _cleanup_close_ int fd = -1;
        int r;

        fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        r = socket_set_reset_on_close(fd);
        if (r < 0)
                return r;
        if (connect(fd, (const struct sockaddr *)&target->address, target->n_address) < 0)
                return -errno;
        for (unsigned int i = 0; i < options->n_greetings; i++) {
                r = exchange_blocking(&options->greetings[i], fd);
                if (r < 0)
                        return r;
        }

        *ret_fd = fd;
        fd = -1;
        return 0;
}

/* RFC 1928: without login, CONNECT to the target. Replies of servers that refuse are not told
 * from others: there is nothing to echo behind them. */
int options_go_through_socks5(struct options *options)
{
        struct sockaddr_in *address = (struct sockaddr_in *)&options->target.address;
        struct exchange *request = &options->greetings[1];

        if (address->sin_family != AF_INET)
                return -EAFNOSUPPORT;
        options->greetings[0] = (struct exchange){ { 5, 1, 0 }, 3, 2 };
        *request = (struct exchange){ { 5, 1, 0, 1 }, 10, 10 };
        memcpy(request->say + 4, &address->sin_addr, 4);
        memcpy(request->say + 8, &address->sin_port, 2);
        options->n_greetings = 2;
        address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address->sin_port = htons(options->socks5_port);
        return 0;
}

int epoll_watch(int epoll_fd, int fd, uint32_t events, epoll_data_t data)
{
        struct epoll_event event = {.events = events, .data = data};

        return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}
