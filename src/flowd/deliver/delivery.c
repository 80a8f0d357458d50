/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A release is a mark for the flow's socket (steer/hooks.h) and a verdict for its packet;
 * the kernel does the handshake and the listener gets the connection, usually before we
 * are back in the loop. Its program can be gone by then and still have sent something, so
 * a flow that was released waits ORPHAN_NS for its connection after its program closed it.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "chain/chain.h"
#include "deliver/delivery.h"
#include "deliver/transparent.h"
#include "flow/table.h"
#include "relay/relay.h"
#include "steer/hooks.h"
#include "steer/passed.h"

#define ORPHAN_NS 1000000000ULL

static int on_orphan_timeout(void *userdata);

/* The flow is out of our hands, or over. */
static void forget(struct delivery *delivery)
{
        struct deliveries *all = delivery->all;
        struct flow *flow = delivery->flow;

        loop_remove(all->loop, &delivery->upstream_io);
        loop_timer_stop(&delivery->orphan_timer);
        close_fd(delivery->upstream_fd);
        list_remove(&delivery->link);
        free(delivery);
        flow->delivery = NULL;
        flow_table_unpin(all->chain->flows, flow);
}

static void end(struct delivery *delivery, const struct session_flow_end *flow_end)
{
        if (delivery->session)
                session_tell_closed(delivery->session, delivery->flow, flow_end);
        forget(delivery);
}

/* The program is told what the upstream said, and the provider that it is over. */
static void fail(struct delivery *delivery, int error)
{
        struct chain *chain = delivery->all->chain;
        struct flow *flow = delivery->flow;

        end(delivery, &(struct session_flow_end){ .error = error });
        chain_settle(chain, flow, error);
}

static void release_tcp(struct delivery *delivery)
{
        struct deliveries *all = delivery->all;
        struct flow *flow = delivery->flow;
        int r;

        r = hooks_deliver(all->hooks, flow->socket_cookie);
        if (r < 0) {
                fail(delivery, r);
                return;
        }
        delivery->state = DELIVERY_RELEASED;
        chain_settle(all->chain, flow, 0);
}

static void release_udp(struct delivery *delivery)
{
        struct deliveries *all = delivery->all;
        struct flow *flow = delivery->flow;
        _cleanup_fd_ int fd = transparent_datagram(&flow->remote, &flow->local, all->relay_mark);
        int r = fd;

        if (r >= 0 && delivery->session)
                r = session_hand_over(delivery->session, flow, fd);
        if (r < 0) {
                fail(delivery, r);
                return;
        }
        delivery->state = DELIVERY_CARRIED;
        all->n_delivered++;
        chain_settle(all->chain, flow, 0);
}

int delivery_claim(struct deliveries *deliveries, struct flow *flow, struct session *session)
{
        struct delivery *delivery = malloc(sizeof(*delivery));

        if (!delivery)
                return -ENOMEM;
        *delivery = (struct delivery){
                .all = deliveries,
                .flow = flow,
                .session = session,
                .upstream_fd = -1,
                .upstream_io = LOOP_IO_NULL,
        };
        loop_timer_init(&delivery->orphan_timer, on_orphan_timeout, delivery);
        list_append(&session->claimed, &delivery->link);
        flow->delivery = delivery;
        return 0;
}

/* The claim that session may speak about now, or NULL. */
static struct delivery *claim_of(const struct flow *flow, const struct session *session)
{
        struct delivery *delivery = flow->delivery;

        return delivery && delivery->session == session && delivery->state == DELIVERY_CLAIMED
                       ? delivery
                       : NULL;
}

int delivery_open(struct flow *flow, struct session *session, int result)
{
        struct delivery *delivery = claim_of(flow, session);

        if (!delivery || result > 0)
                return -EBADMSG;
        if (result < 0)
                fail(delivery, result);
        else if (flow->protocol == IPPROTO_UDP)
                release_udp(delivery);
        else
                release_tcp(delivery);
        return 0;
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
                fail(delivery, -error);
        else
                release_tcp(delivery);
        return 0;
}

static bool is_stream_socket(int fd)
{
        socklen_t size = sizeof(int);
        int type = 0;

        return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

int delivery_splice(struct flow *flow, struct session *session, int fd)
{
        struct delivery *delivery = claim_of(flow, session);
        _cleanup_fd_ int upstream_fd = fd;
        int r;

        if (!delivery || flow->protocol != IPPROTO_TCP || !is_stream_socket(fd))
                return -EBADMSG;
        delivery->state = DELIVERY_CONNECTING;
        delivery->upstream_fd = take_fd(&upstream_fd);
        r = loop_add(delivery->all->loop, &delivery->upstream_io, delivery->upstream_fd, EPOLLOUT,
                     on_upstream, delivery);
        if (r < 0)
                fail(delivery, r);
        return 0;
}

/* The extension's from here on; flowd keeps nothing of it. */
static void hand_over(struct delivery *delivery, int fd)
{
        int r = -EPIPE;

        if (delivery->session)
                r = session_hand_over(delivery->session, delivery->flow, fd);
        close_fd(fd);
        if (r < 0) {
                end(delivery, &(struct session_flow_end){ .error = r });
                return;
        }
        delivery->all->n_delivered++;
        forget(delivery);
}

static void carry(struct delivery *delivery, int fd)
{
        struct deliveries *all = delivery->all;
        int r;

        delivery->state = DELIVERY_CARRIED;
        all->n_delivered++;
        r = relay_pool_add(all->relays, delivery->flow->id, fd, take_fd(&delivery->upstream_fd));
        if (r < 0)
                end(delivery, &(struct session_flow_end){ .error = r });
}

static void on_accepted(int fd, const struct endpoint *app, const struct endpoint *remote,
                        void *userdata)
{
        struct deliveries *all = userdata;
        struct flow *flow = flow_table_find_tuple(all->chain->flows, IPPROTO_TCP, app, remote);
        struct delivery *delivery = flow ? flow->delivery : NULL;

        if (!delivery || delivery->state != DELIVERY_RELEASED) {
                all->n_strangers++;
                close_fd(fd);
                return;
        }
        loop_timer_stop(&delivery->orphan_timer);
        if (delivery->upstream_fd >= 0)
                carry(delivery, fd);
        else
                hand_over(delivery, fd);
}

static void on_relay_ended(const struct relay_end *relay, void *userdata)
{
        struct deliveries *all = userdata;
        struct flow *flow = flow_table_find(all->chain->flows, relay->id);
        struct session_flow_end flow_end = {
                .error = relay->error,
                .bytes_outbound = relay->bytes_outbound,
                .bytes_inbound = relay->bytes_inbound,
        };

        if (!flow || !flow->delivery)
                return;
        flow->bytes_outbound = relay->bytes_outbound;
        flow->bytes_inbound = relay->bytes_inbound;
        end(flow->delivery, &flow_end);
}

static int on_orphan_timeout(void *userdata)
{
        end(userdata, &(struct session_flow_end){ .error = -ECONNABORTED });
        return 0;
}

void delivery_abandon(struct flow *flow)
{
        struct delivery *delivery = flow->delivery;
        struct deliveries *all = delivery->all;

        switch (delivery->state) {
        case DELIVERY_CLAIMED:
        case DELIVERY_CONNECTING:
                fail(delivery, -ECONNABORTED);
                break;
        case DELIVERY_RELEASED:
                loop_timer_start(all->loop, &delivery->orphan_timer, now_ns() + ORPHAN_NS);
                break;
        case DELIVERY_CARRIED:
                if (flow->protocol == IPPROTO_UDP)
                        end(delivery, &(struct session_flow_end){});
                break; /* a relay ends when its last byte is through */
        }
}

/* The socket went with the provider: the next datagram is a new flow's first. */
static void lose_datagrams(struct delivery *delivery)
{
        struct deliveries *all = delivery->all;
        struct flow *flow = delivery->flow;

        passed_forget(all->passed, &flow->local, &flow->remote);
        if (!flow->closed_ns)
                flow_table_close(all->chain->flows, flow, now_ns());
        forget(delivery);
}

void deliveries_end_session(struct session *session)
{
        struct delivery *delivery, *following;

        list_for_each_safe (delivery, following, &session->claimed, link) {
                struct flow *flow = delivery->flow;
                bool is_ours = delivery->state != DELIVERY_CLAIMED;

                delivery->session = NULL;
                list_remove(&delivery->link);
                if (is_ours && flow->protocol == IPPROTO_UDP)
                        lose_datagrams(delivery);
                if (is_ours)
                        continue; /* its bytes are with us */
                forget(delivery);
                chain_fall_back(session->chain, session, flow, WIRE_REASON_PROVIDER_GONE);
        }
}

int deliveries_open(struct deliveries *deliveries)
{
        int r;

        r = listener_open(&deliveries->listener);
        if (r < 0)
                return r;
        return relay_pool_new(&deliveries->relays, deliveries->loop, on_relay_ended, deliveries);
}

int deliveries_start(struct deliveries *deliveries)
{
        return listener_start(&deliveries->listener, deliveries->loop, on_accepted, deliveries);
}

void deliveries_close(struct deliveries *deliveries)
{
        listener_close(&deliveries->listener);
        deliveries->relays = relay_pool_free(deliveries->relays);
}
