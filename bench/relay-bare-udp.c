/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare UDP relay: a flow's first datagram comes to the wildcard listener; then the flow has
 * two connected sockets, one that is transparent and bound to the address that the client
 * believes to talk to, and one to that address itself. Datagrams go from one to the other in
 * batches. Flows never end, and are found by a walk: a benchmark has a handful.
 *
 *     netext-bench-relay-bare-udp PORT MARK
 *
 * It prints "ready" once it listens.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datagrams.h"
#include "relay-common.h"

#define N_EVENTS     64
#define DATAGRAM_MAX 2048

struct flow {
        struct flow *next;
        struct sockaddr_in client, destination;
        struct datagrams_end app, upstream;
};

static struct {
        int epoll_fd, listener_fd;
        uint32_t mark;
        struct flow *flows;
        char bytes[DATAGRAM_MAX]; /* a flow's first */
} relay;

static int udp_socket(void)
{
        const int one = 1;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return -errno;
        datagrams_make_room(fd);
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        return fd;
}

static int udp_bind(int fd, const struct sockaddr_in *address)
{
        const int one = 1;

        if (setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one)) < 0 ||
            bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
                return -errno;
        return 0;
}

static int udp_connect(int fd, const struct sockaddr_in *address)
{
        return connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
}

static int watch(int fd, void *userdata)
{
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = userdata };

        return epoll_ctl(relay.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* --- a flow --------------------------------------------------------------------------- */

static int flow_open_app(struct flow *flow)
{
        int r;

        flow->app.fd = udp_socket();
        if (flow->app.fd < 0)
                return flow->app.fd;
        r = udp_bind(flow->app.fd, &flow->destination);
        return r < 0 ? r : udp_connect(flow->app.fd, &flow->client);
}

static int flow_open_upstream(struct flow *flow)
{
        flow->upstream.fd = udp_socket();
        if (flow->upstream.fd < 0)
                return flow->upstream.fd;
        if (setsockopt(flow->upstream.fd, SOL_SOCKET, SO_MARK, &relay.mark, sizeof(relay.mark)) < 0)
                return -errno;
        return udp_connect(flow->upstream.fd, &flow->destination);
}

static int flow_open(struct flow *flow)
{
        int r;

        r = flow_open_app(flow);
        if (r == 0)
                r = flow_open_upstream(flow);
        if (r < 0)
                return r;
        flow->app.other_fd = flow->upstream.fd;
        flow->upstream.other_fd = flow->app.fd;
        r = watch(flow->app.fd, &flow->app);
        return r < 0 ? r : watch(flow->upstream.fd, &flow->upstream);
}

static bool same_address(const struct sockaddr_in *one, const struct sockaddr_in *other)
{
        return one->sin_port == other->sin_port && one->sin_addr.s_addr == other->sin_addr.s_addr;
}

static struct flow *flow_find(const struct sockaddr_in *client,
                              const struct sockaddr_in *destination)
{
        struct flow *flow = relay.flows;

        while (flow && !(same_address(&flow->client, client) &&
                         same_address(&flow->destination, destination)))
                flow = flow->next;
        return flow;
}

/* NULL when it cannot be opened: a benchmark cannot go on then. */
static struct flow *flow_new(const struct sockaddr_in *client,
                             const struct sockaddr_in *destination)
{
        struct flow *flow = calloc(1, sizeof(*flow));

        if (!flow)
                return NULL;
        flow->client = *client;
        flow->destination = *destination;
        if (flow_open(flow) < 0)
                return NULL;
        flow->next = relay.flows;
        relay.flows = flow;
        return flow;
}

/* --- datagrams ------------------------------------------------------------------------ */

static const struct sockaddr_in *destination_of(struct msghdr *message)
{
        struct cmsghdr *control;

        for (control = CMSG_FIRSTHDR(message); control; control = CMSG_NXTHDR(message, control))
                if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_ORIGDSTADDR)
                        return (const struct sockaddr_in *)(const void *)CMSG_DATA(control);
        return NULL;
}

/* A flow's datagrams come here until its own socket stands; several may have. */
static int listener_receive(void)
{
        char control[CMSG_SPACE(sizeof(struct sockaddr_in))];
        struct sockaddr_in client;
        struct iovec part = { relay.bytes, DATAGRAM_MAX };
        struct msghdr message = { .msg_name = &client,
                                  .msg_namelen = sizeof(client),
                                  .msg_iov = &part,
                                  .msg_iovlen = 1,
                                  .msg_control = control,
                                  .msg_controllen = sizeof(control) };
        ssize_t size = recvmsg(relay.listener_fd, &message, MSG_DONTWAIT);
        const struct sockaddr_in *destination = size < 0 ? NULL : destination_of(&message);
        struct flow *flow;

        if (!destination)
                return 0;
        flow = flow_find(&client, destination);
        if (!flow)
                flow = flow_new(&client, destination);
        if (!flow)
                return -EIO;
        (void)send(flow->upstream.fd, relay.bytes, (size_t)size, MSG_DONTWAIT);
        return 0;
}

static int serve(void)
{
        struct epoll_event events[N_EVENTS];
        int r = 0;

        while (r == 0) {
                int n = epoll_wait(relay.epoll_fd, events, N_EVENTS, -1);

                for (int i = 0; i < n && r == 0; i++) {
                        if (events[i].data.ptr)
                                datagrams_carry(events[i].data.ptr);
                        else
                                r = listener_receive();
                }
        }
        return r;
}

static int start(const struct relay_arguments *arguments)
{
        const struct sockaddr_in any = { .sin_family = AF_INET,
                                         .sin_port = htons(arguments->port) };
        const int one = 1;
        int r;

        relay.mark = arguments->mark;
        relay.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        relay.listener_fd = udp_socket();
        if (relay.listener_fd < 0)
                return relay.listener_fd;
        r = udp_bind(relay.listener_fd, &any);
        if (r < 0)
                return r;
        if (setsockopt(relay.listener_fd, IPPROTO_IP, IP_RECVORIGDSTADDR, &one, sizeof(one)) < 0)
                return -errno;
        return watch(relay.listener_fd, NULL);
}

int main(int argc, char **argv)
{
        struct relay_arguments arguments;
        int r;

        if (relay_parse_arguments(argc, argv, &arguments) < 0) {
                fprintf(stderr, "usage: %s PORT MARK\n", argv[0]);
                return EXIT_FAILURE;
        }
        r = start(&arguments);
        if (r == 0) {
                puts("ready");
                fflush(stdout);
                r = serve();
        }
        fprintf(stderr, "%s: %s\n", argv[0], strerror(-r));
        return EXIT_FAILURE;
}
