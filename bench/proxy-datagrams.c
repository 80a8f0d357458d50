/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The UDP proxy of the benchmarks: claims every flow to the load's port, and carries its
 * datagrams itself, in a thread of its own. Flows never end: a benchmark has a handful.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netext/extension.h>

#include "datagrams.h"

#define PORT     7000
#define N_EVENTS 64

static int epoll_fd;

static void *carry(void *userdata)
{
        struct epoll_event events[N_EVENTS];

        (void)userdata;
        for (;;) {
                int n = epoll_wait(epoll_fd, events, N_EVENTS, -1);

                for (int i = 0; i < n; i++)
                        datagrams_carry(events[i].data.ptr);
        }
        return NULL;
}

/* A socket that talks to the flow's destination, or a negative errno. */
static int connect_to_destination(struct nx_flow *flow)
{
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r;

        if (fd < 0)
                return -errno;
        inet_pton(AF_INET, nx_flow_get_remote_address(flow), &to.sin_addr);
        if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
                return fd;
        r = -errno;
        close(fd);
        return r;
}

static int watch(int fd, int other_fd)
{
        struct datagrams_end *end = malloc(sizeof(*end));
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = end };

        if (!end)
                return -ENOMEM;
        *end = (struct datagrams_end){ .fd = fd, .other_fd = other_fd };
        datagrams_make_room(fd);
        return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static enum nx_verdict handle_new_flow(struct nx_proxy *proxy, struct nx_flow *flow, void *userdata)
{
        (void)proxy;
        (void)userdata;
        (void)nx_flow_open(flow);
        return NX_VERDICT_CLAIM;
}

static void handle_open(struct nx_proxy *proxy, struct nx_flow *flow, int fd, void *userdata)
{
        int upstream_fd = connect_to_destination(flow);
        int r = upstream_fd;

        (void)userdata;
        if (r >= 0)
                r = watch(fd, upstream_fd);
        if (r >= 0)
                r = watch(upstream_fd, fd);
        if (r < 0)
                nx_proxy_report(proxy, NX_LEVEL_ERROR, "cannot carry a flow: %s", strerror(-r));
}

static int start_proxy(struct nx_proxy *proxy, void *userdata)
{
        struct nx_proxy_settings *settings;
        int r;

        (void)userdata;
        r = nx_proxy_settings_new(&settings, false);
        if (r < 0)
                return r;
        r = nx_proxy_settings_include(settings,
                                      &(struct nx_rule){ NX_RULE_INIT, .protocol = IPPROTO_UDP,
                                                         .remote_port_first = PORT });
        if (r == 0)
                r = nx_proxy_apply(proxy, settings, NULL, NULL);
        nx_proxy_settings_free(settings);
        return r;
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "proxy-datagrams",
                .transparent_proxy = {
                        .start_proxy = start_proxy,
                        .handle_new_flow = handle_new_flow,
                        .handle_open = handle_open,
                },
        };
        pthread_t thread;

        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (epoll_fd < 0 || pthread_create(&thread, NULL, carry, NULL) != 0)
                return EXIT_FAILURE;
        return nx_main(&extension, NULL);
}
