/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A way has two ends: the program's connection, and what the proxy gave or we connected to.
 * Which comes first is different for each kind, so each step opens what there is and goes when
 * there are both.
 */

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "chain/chain.h"
#include "deliver/between.h"
#include "deliver/idle.h"
#include "deliver/inspected.h"
#include "deliver/transparent.h"
#include "deliver/visit.h"
#include "deliver/way.h"
#include "relay/relay.h"

static void open_flow(struct delivery *delivery)
{
        chain_open(delivery->all->chain, delivery->flow,
                   delivery->is_direct ? NX_VERDICT_ALLOW : NX_VERDICT_CLAIM);
}

void way_carry(struct delivery *delivery)
{
        int app_fd = take_fd(&delivery->app_fd), upstream_fd = take_fd(&delivery->upstream_fd);
        struct deliveries *all = delivery->all;
        int r;

        delivery->state = DELIVERY_CARRIED;
        all->n_delivered++;
        r = relay_pool_add(all->relays, delivery->flow->id, app_fd, upstream_fd);
        if (r < 0)
                delivery_end(delivery, &(struct session_flow_end){ .error = r });
}

/* The extension's from here on; flowd keeps nothing of it. */
static void hand_over(struct delivery *delivery)
{
        int r = -EPIPE;

        /* What its close() says is the extension's own matter. */
        (void)socket_set_reset_on_close(delivery->app_fd, false);
        if (delivery->session)
                r = session_hand_over(delivery->session, delivery->flow, delivery->app_fd);
        if (r < 0) {
                delivery->all->n_given_up++;
                (void)socket_set_reset_on_close(delivery->app_fd, true);
                delivery_end(delivery, &(struct session_flow_end){ .error = r });
                return;
        }
        delivery->app_fd = -1;
        delivery->all->n_delivered++;
        delivery_forget(delivery);
}

static int socket_type(const struct flow *flow)
{
        return flow->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
}

static void inspect(struct delivery *delivery)
{
        int r;

        if (delivery->upstream_fd < 0)
                r = between_begin(delivery);
        else
                r = inspected_begin(delivery);
        if (r == 0)
                way_carry(delivery);
        if (r >= 0)
                return;
        (void)socket_set_reset_on_close(delivery->app_fd, true);
        delivery_end(delivery, &(struct session_flow_end){ .error = r });
}

void way_go(struct delivery *delivery)
{
        if (delivery->flow->n_inspectors > 0)
                inspect(delivery);
        else if (delivery->upstream_fd >= 0)
                way_carry(delivery);
        else
                hand_over(delivery);
}

static void open_tcp(struct delivery *delivery)
{
        int r = 0;

        if (delivery->upstream_fd < 0 && delivery->session && !session_can_take(delivery->session))
                r = -ENOBUFS;
        if (r >= 0 && delivery->app_fd < 0)
                r = delivery_release(delivery);
        if (r < 0) {
                delivery_give_up(delivery, r);
                return;
        }
        open_flow(delivery);
        if (delivery->app_fd >= 0)
                way_go(delivery);
}

/* If there is anybody left who wants to see them, else the kernel carries them. */
static int watch_datagrams(struct delivery *delivery)
{
        delivery->state = DELIVERY_CARRIED;
        delivery_share_nothing(delivery);
        return inspected_begin(delivery);
}

/* There is no handshake: what waits is for the socket that now speaks for the destination. */
static int open_datagrams(struct delivery *delivery)
{
        struct deliveries *all = delivery->all;
        struct flow *flow = delivery->flow;
        int r;

        if (flow_is_call(flow))
                return watch_datagrams(delivery);
        delivery->app_fd = transparent_datagram(&flow->remote, &flow->local, all->relay_mark);
        if (delivery->app_fd < 0)
                return delivery->app_fd;
        if (!delivery->is_direct && flow->n_inspectors == 0) {
                delivery->state = DELIVERY_CARRIED;
                r = session_hand_over(delivery->session, flow, delivery->app_fd);
                if (r < 0)
                        close_fd(delivery->app_fd);
                delivery->app_fd = -1;
                delivery_share_nothing(delivery);
                return r;
        }
        r = delivery->upstream_fd < 0 ? between_open_datagrams(delivery) : 0;
        return r < 0 ? r : inspected_begin(delivery);
}

/* As inspected_begin() says it; nothing of ours has failed then. */
static bool is_denied(int error)
{
        return error == -EPERM || error == -ECONNREFUSED;
}

static void open_udp(struct delivery *delivery)
{
        int r = -EPIPE;

        if (delivery->is_direct || delivery->session)
                r = open_datagrams(delivery);
        if (is_denied(r)) {
                delivery_fail(delivery, r);
                return;
        }
        if (r < 0) {
                delivery_give_up(delivery, r);
                return;
        }
        delivery->all->n_delivered++;
        delivery->flow->is_delivered =
                delivery->state == DELIVERY_INSPECTED || !flow_is_call(delivery->flow);
        if (delivery->session)
                idle_begin(delivery);
        open_flow(delivery);
}

void way_open(struct delivery *delivery)
{
        if (delivery->flow->protocol == IPPROTO_UDP)
                open_udp(delivery);
        else
                open_tcp(delivery);
}

/* Near destinations have answered by now. */
static bool is_connected(int fd)
{
        struct sockaddr_storage peer;
        socklen_t size = sizeof(peer);

        return getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
}

static int on_upstream(uint32_t events, void *userdata)
{
        struct delivery *delivery = userdata;
        socklen_t size = sizeof(int);
        int error = 0;

        loop_remove(delivery->all->loop, &delivery->upstream_io);
        if (getsockopt(delivery->upstream_fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
                error = errno;
        if (error == 0 && events & EPOLLHUP)
                error = ENOTCONN; /* it never was on its way */
        if (error)
                delivery_fail(delivery, -error);
        else
                way_open(delivery);
        return 0;
}

void way_to_upstream(struct delivery *delivery, int fd)
{
        delivery->state = DELIVERY_CONNECTING;
        delivery->upstream_fd = fd;
        way_open(delivery);
}

void way_wait_for_upstream(struct delivery *delivery, int fd)
{
        int r;

        if (is_connected(fd)) {
                way_to_upstream(delivery, fd);
                return;
        }
        delivery->state = DELIVERY_CONNECTING;
        delivery->upstream_fd = fd;
        r = loop_add(delivery->all->loop, &delivery->upstream_io, fd, EPOLLOUT, on_upstream,
                     delivery);
        if (r < 0)
                delivery_fail(delivery, r);
}

int way_go_direct(struct deliveries *deliveries, struct flow *flow)
{
        struct delivery *delivery;
        int fd, r;

        r = delivery_new(deliveries, flow, &delivery);
        if (r < 0)
                return r;
        delivery_give_to(delivery, NULL);
        delivery->is_direct = true;
        if (flow_is_call(flow)) {
                way_open(delivery);
                return 0;
        }
        if (is_visit(delivery))
                fd = visit_begin(delivery);
        else
                fd = transparent_connect(socket_type(flow), &flow->local, &flow->remote,
                                         deliveries->own_mark);
        if (fd < 0)
                delivery_fail(delivery, fd);
        else
                way_wait_for_upstream(delivery, fd);
        return 0;
}
