/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Anybody on this host can connect to the listener, so what it accepts is known by the address that
 * it comes from: nobody else has that, as long as we do.
 */

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "chain/session.h"
#include "deliver/between.h"
#include "deliver/delivery.h"
#include "deliver/transparent.h"
#include "deliver/way.h"
#include "flow/flow.h"
#include "steer/hooks.h"

/* It does not leave this host. Somebody's rules may be in its way all the same. */
#define PATIENCE_NS (2 * 1000000000ULL)

int between_begin(struct delivery *delivery)
{
        bool is_ipv4 = address_is_ipv4(&delivery->flow->remote.address);
        struct deliveries *all = delivery->all;
        struct endpoint from = transparent_lo(is_ipv4), to = from;
        int r;

        to.port = is_ipv4 ? listener_port4(&all->listener) : listener_port6(&all->listener);
        delivery->upstream_fd = transparent_connect(SOCK_STREAM, &from, &to, all->own_mark);
        if (delivery->upstream_fd < 0)
                return delivery->upstream_fd;
        r = transparent_local(delivery->upstream_fd, &delivery->caller);
        if (r < 0)
                return r;
        list_append(&all->expected, &delivery->expected);
        loop_timer_start(all->loop, &delivery->timer, now_ns() + PATIENCE_NS);
        all->n_released++;
        return 1;
}

static int hand_over(struct delivery *delivery, int fd)
{
        _cleanup_fd_ int theirs = fd;
        struct flow *flow = delivery->flow;
        int r;

        if (!delivery->session)
                return -EPIPE;
        r = hooks_set_face(delivery->all->hooks, theirs, &flow->remote, &flow->local);
        if (r >= 0)
                r = session_hand_over(delivery->session, flow, theirs);
        if (r >= 0)
                take_fd(&theirs);
        return r;
}

static int hand_over_connection(struct delivery *delivery, int fd)
{
        int r;

        (void)socket_set_reset_on_close(fd, false);
        r = hand_over(delivery, fd);
        if (r >= 0)
                delivery_give_to(delivery, NULL); /* it sees the end on its socket */
        return r;
}

static struct delivery *find(struct deliveries *deliveries, const struct endpoint *caller)
{
        struct delivery *delivery;

        list_for_each (delivery, &deliveries->expected, expected)
                if (endpoint_equal(&delivery->caller, caller))
                        return delivery;
        return NULL;
}

bool between_take(struct deliveries *deliveries, int fd, const struct endpoint *caller)
{
        struct delivery *delivery = find(deliveries, caller);
        int r;

        if (!delivery)
                return false;
        list_remove(&delivery->expected);
        loop_timer_stop(&delivery->timer);
        r = hand_over_connection(delivery, fd);
        if (r >= 0)
                way_go(delivery);
        else
                delivery_end(delivery, &(struct session_flow_end){ .error = r });
        return true;
}

/* Whatever an extension does with it, it cannot send to other hosts: see steer/ruleset.c, speak. */
int between_open_datagrams(struct delivery *delivery)
{
        const uint32_t marks[2] = { delivery->all->own_mark, delivery->all->relay_mark };
        int fds[2], r;

        r = transparent_pair(address_is_ipv4(&delivery->flow->remote.address), marks, fds);
        if (r < 0)
                return r;
        delivery->upstream_fd = fds[0];
        return hand_over(delivery, fds[1]);
}
