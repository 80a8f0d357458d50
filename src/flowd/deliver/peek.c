/* SPDX-License-Identifier: Apache-2.0 */

/* Peeked bytes stay in the socket (MSG_PEEK): whoever gets it reads them first. */

#include <sys/epoll.h>
#include <sys/socket.h>

#include "chain/chain.h"
#include "deliver/peek.h"

void peek_stop(struct delivery *delivery)
{
        int one = 1;

        loop_remove(delivery->all->loop, &delivery->app_io);
        loop_timer_stop(&delivery->timer);
        (void)setsockopt(delivery->app_fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
        delivery->state = DELIVERY_OFFERED;
        delivery->peek_bytes = 0;
        delivery_give_to(delivery, NULL);
}

void peek_offer(struct delivery *delivery)
{
        struct session *session = delivery->session;
        uint8_t bytes[WIRE_DATA_MAX];
        ssize_t n;

        n = recv(delivery->app_fd, bytes, delivery->peek_bytes, MSG_PEEK | MSG_DONTWAIT);
        peek_stop(delivery);
        if (session)
                session_show(session, delivery->flow, bytes, n > 0 ? (size_t)n : 0);
        else
                chain_advance(delivery->all->chain, delivery->flow);
}

static int on_app(uint32_t events, void *userdata)
{
        peek_offer(userdata);
        return 0;
}

/* SO_RCVLOWAT of socket(7): the kernel wakes us when enough is there, or the end. */
void peek_start(struct delivery *delivery)
{
        int wanted = (int)delivery->peek_bytes, r;

        delivery->state = DELIVERY_PEEKING;
        (void)setsockopt(delivery->app_fd, SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof(wanted));
        if (delivery->peek_ns)
                loop_timer_start(delivery->all->loop, &delivery->timer,
                                 now_ns() + delivery->peek_ns);
        r = loop_add(delivery->all->loop, &delivery->app_io, delivery->app_fd, EPOLLIN | EPOLLRDHUP,
                     on_app, delivery);
        if (r < 0)
                delivery_fail(delivery, r);
}

int peek_begin(struct deliveries *deliveries, struct flow *flow, struct session *session,
               uint32_t n_bytes, uint32_t timeout_ms)
{
        struct delivery *delivery;
        int r;

        r = delivery_new(deliveries, flow, &delivery);
        if (r < 0)
                return r;
        delivery_give_to(delivery, session);
        delivery->peek_bytes = n_bytes;
        delivery->peek_ns = timeout_ms * 1000000ULL;
        if (delivery->app_fd >= 0) {
                peek_start(delivery);
                return 0;
        }
        r = delivery_release(delivery);
        if (r < 0)
                delivery_forget(delivery);
        else
                chain_release_held(deliveries->chain, flow);
        return r;
}
