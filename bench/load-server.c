/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server side: accepts on one epoll per thread and either echoes a byte or
 * swallows a stream. Threads share the port by SO_REUSEPORT. One thread is the
 * default: it outruns the clients of a two-core machine, and a second one only
 * adds wake-ups.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "load.h"

#define N_EVENTS 64

static int listener_open(const struct target *target, int *ret_fd)
{
        _cleanup_close_ int fd = -1;
        const int one = 1;

        fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;

        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
            bind(fd, (const struct sockaddr *)&target->address, target->n_address) < 0 ||
            listen(fd, 4096) < 0)
                return -errno;

        *ret_fd = fd;
        fd = -1;
        return 0;
}

static void server_accept(int epoll_fd, int listener_fd)
{
        for (;;) {
                int fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd < 0)
                        return;
                if (epoll_watch(epoll_fd, fd, EPOLLIN, (epoll_data_t){.fd = fd}) < 0)
                        close(fd);
        }
}

/* One read per event: the level-triggered poll brings us back for the rest. */
static void server_serve(enum server_mode mode, int fd, void *buffer)
{
        ssize_t n = recv(fd, buffer, mode == SERVER_ECHO ? 1 : BULK_SIZE, 0);

        if (n == 0 || (n < 0 && errno != EAGAIN))
                close(fd);
        else if (n > 0 && mode == SERVER_ECHO)
                send(fd, buffer, (size_t)n, MSG_NOSIGNAL);
}

struct server {
        const struct options *options;
        int listener_fd;
};

static void *server_thread(void *userdata)
{
        const struct server *server = userdata;
        _cleanup_close_ int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        _cleanup_free_ void *buffer = malloc(BULK_SIZE);
        struct epoll_event events[N_EVENTS];

        if (epoll_fd < 0 || !buffer ||
            epoll_watch(epoll_fd, server->listener_fd, EPOLLIN,
                        (epoll_data_t){.fd = server->listener_fd}) < 0)
                return NULL;

        for (;;) {
                int n = epoll_wait(epoll_fd, events, N_EVENTS, -1);

                for (int i = 0; i < n; i++) {
                        if (events[i].data.fd == server->listener_fd)
                                server_accept(epoll_fd, server->listener_fd);
                        else
                                server_serve(server->options->mode, events[i].data.fd, buffer);
                }
        }
}

/* The alarm kills the whole process: a server has nothing to report. */
int run_server(const struct options *options)
{
        struct server servers[N_THREADS_MAX];
        pthread_t thread;
        int r;

        if (options->mode == SERVER_UDP)
                return run_udp_server(options);
        for (unsigned int i = 0; i < options->n_threads; i++) {
                servers[i] = (struct server){.options = options, .listener_fd = -1};
                r = listener_open(&options->target, &servers[i].listener_fd);
                if (r < 0)
                        return r;
        }

        alarm((unsigned int)options->seconds + 1);
        puts("ready");
        fflush(stdout);

        for (unsigned int i = 1; i < options->n_threads; i++) {
                r = pthread_create(&thread, NULL, server_thread, &servers[i]);
                if (r > 0)
                        return -r;
        }
        server_thread(&servers[0]);
        return -EIO;
}
