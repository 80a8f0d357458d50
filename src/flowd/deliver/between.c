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

static struct endpoint listener_end(const struct listener *listener, bool is_ipv4)
{
        struct endpoint end = { .address = IN6ADDR_LOOPBACK_INIT,
                                .port = listener_port6(listener) };

        if (is_ipv4) {
                end.address = address_from_ipv4((struct in_addr){ htonl(INADDR_LOOPBACK) });
                end.port = listener_port4(listener);
        }
        return end;
}

int between_begin(struct delivery *delivery)
{
        bool is_ipv4 = address_is_ipv4(&delivery->flow->remote.address);
        struct deliveries *all = delivery->all;
        struct endpoint to = listener_end(&all->listener, is_ipv4), from = to;
        int r;

        from.port = 0;
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
        r = socket_set_reset_on_close(theirs, false);
        if (r >= 0)
                r = hooks_set_face(delivery->all->hooks, theirs, &flow->remote, &flow->local);
        if (r >= 0)
                r = session_hand_over(delivery->session, flow, theirs);
        if (r < 0)
                return r;
        take_fd(&theirs);
        delivery_give_to(delivery, NULL); /* it sees the end on its socket */
        return 0;
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
        r = hand_over(delivery, fd);
        if (r >= 0)
                way_go(delivery);
        else
                delivery_end(delivery, &(struct session_flow_end){ .error = r });
        return true;
}
