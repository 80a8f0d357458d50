/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A release is a mark for the flow's socket (steer/hooks.h) and a verdict for its packet;
 * the kernel does the handshake and the listener gets the connection, usually before we
 * are back in the loop. Its program can be gone by then and still have sent something, so
 * a flow that was released waits ORPHAN_NS for its connection after its program closed it.
 *
 * Peeked bytes stay in the socket (MSG_PEEK): whoever gets it reads them first.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "chain/chain.h"
#include "deliver/delivery.h"
#include "deliver/inspected.h"
#include "deliver/transparent.h"
#include "flow/table.h"
#include "relay/relay.h"
#include "steer/hooks.h"
#include "steer/passed.h"

#define ORPHAN_NS         (1 * 1000000000ULL)
#define LAST_DATAGRAMS_NS (10 * 1000000000ULL) /* for filters to decide about them */

static int on_timer(void *userdata);
static int on_upstream(uint32_t events, void *userdata);

static int delivery_new(struct deliveries *deliveries, struct flow *flow,
                        struct delivery **ret_delivery)
{
        struct delivery *delivery = flow->delivery;

        if (!delivery) {
                delivery = malloc(sizeof(*delivery));
                if (!delivery)
                        return -ENOMEM;
                *delivery = (struct delivery){
                        .all = deliveries,
                        .flow = flow,
                        .app_fd = -1,
                        .upstream_fd = -1,
                        .app_io = LOOP_IO_NULL,
                        .upstream_io = LOOP_IO_NULL,
                };
                list_init(&delivery->link);
                list_init(&delivery->inspected);
                loop_timer_init(&delivery->timer, on_timer, delivery);
                flow->delivery = delivery;
                deliveries->n_open++;
        }
        *ret_delivery = delivery;
        return 0;
}

/* NULL: nobody's. */
static void give_to(struct delivery *delivery, struct session *session)
{
        list_remove(&delivery->link);
        delivery->session = session;
        if (session)
                list_append(&session->claimed, &delivery->link);
}

/* The flow is out of our hands, or over. */
static void forget(struct delivery *delivery)
{
        struct deliveries *all = delivery->all;
        struct flow *flow = delivery->flow;

        loop_remove(all->loop, &delivery->app_io);
        loop_remove(all->loop, &delivery->upstream_io);
        loop_timer_stop(&delivery->timer);
        close_fd(delivery->app_fd);
        (void)socket_set_reset_on_close(delivery->upstream_fd, true);
        close_fd(delivery->upstream_fd);
        list_remove(&delivery->link);
        free(delivery);
        all->n_open--;
        flow->delivery = NULL;
        flow_table_unpin(all->chain->flows, flow);
}

void delivery_end(struct delivery *delivery, const struct session_flow_end *flow_end)
{
        if (delivery->session)
                session_tell_closed(delivery->session, delivery->flow, flow_end);
        inspected_tell_closed(delivery, flow_end);
        forget(delivery);
}

/* The program is told what the upstream said, and the provider that it is over. */
static void fail(struct delivery *delivery, int error)
{
        struct chain *chain = delivery->all->chain;
        struct flow *flow = delivery->flow;

        (void)socket_set_reset_on_close(delivery->app_fd, true);
        delivery_end(delivery, &(struct session_flow_end){ .error = error });
        chain_fail(chain, flow, error);
}

/* It is we who cannot deliver: the session's fail policy answers, as if it had not claimed. */
static void give_up(struct delivery *delivery, int error)
{
        struct chain *chain = delivery->all->chain;
        struct session *session = delivery->session;
        struct flow *flow = delivery->flow;

        delivery->all->n_given_up++;
        if (!session || delivery->app_fd >= 0) {
                fail(delivery, error);
                return;
        }
        delivery_end(delivery, &(struct session_flow_end){ .error = error });
        chain_fall_back(chain, session, flow, WIRE_REASON_TABLE_FULL);
}

static void delivery_deny(struct flow *flow)
{
        (void)socket_set_reset_on_close(flow->delivery->app_fd, true);
        forget(flow->delivery);
}

/* The first segment may go to the listener; what follows it goes the same way. */
static int release(struct delivery *delivery)
{
        struct flow *flow = delivery->flow;
        int r;

        r = hooks_deliver(delivery->all->hooks, flow->socket_cookie);
        if (r < 0)
                return r;
        delivery->state = DELIVERY_RELEASED;
        delivery->all->n_released++;
        flow->is_delivered = true;
        return 0;
}

static void open_flow(struct delivery *delivery)
{
        chain_open(delivery->all->chain, delivery->flow,
                   delivery->is_direct ? NX_VERDICT_ALLOW : NX_VERDICT_CLAIM);
}

void delivery_carry(struct delivery *delivery)
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
        delivery->all->n_delivered++;
        forget(delivery);
}

static int socket_type(const struct flow *flow)
{
        return flow->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
}

/*
 * Filters are between the program and the extension that has claimed the flow, so it gets a
 * local socket; what the two ends are it knows from the flow.
 */
static int hand_over_inspected(struct delivery *delivery)
{
        int type = socket_type(delivery->flow), pair[2], r;
        _cleanup_fd_ int theirs = -1;

        if (!delivery->session)
                return -EPIPE;
        if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return -errno;
        delivery->upstream_fd = pair[0];
        theirs = pair[1];
        r = session_hand_over(delivery->session, delivery->flow, theirs);
        if (r >= 0 && type == SOCK_STREAM)
                give_to(delivery, NULL); /* it sees the end on its socket */
        return r;
}

static void inspect(struct delivery *delivery)
{
        int r = 0;

        if (delivery->upstream_fd < 0)
                r = hand_over_inspected(delivery);
        if (r >= 0)
                r = inspected_begin(delivery);
        if (r == 0)
                delivery_carry(delivery);
        if (r >= 0)
                return;
        (void)socket_set_reset_on_close(delivery->app_fd, true);
        delivery_end(delivery, &(struct session_flow_end){ .error = r });
}

/* The program's connection is here, and there is a way for its bytes. */
static void go(struct delivery *delivery)
{
        if (delivery->flow->n_inspectors > 0)
                inspect(delivery);
        else if (delivery->upstream_fd >= 0)
                delivery_carry(delivery);
        else
                hand_over(delivery);
}

static void open_tcp(struct delivery *delivery)
{
        int r = 0;

        if (delivery->upstream_fd < 0 && delivery->session && !session_can_take(delivery->session))
                r = -ENOBUFS;
        if (r >= 0 && delivery->app_fd < 0)
                r = release(delivery);
        if (r < 0) {
                give_up(delivery, r);
                return;
        }
        open_flow(delivery);
        if (delivery->app_fd >= 0)
                go(delivery);
}

/* There is no handshake: what waits is for the socket that now speaks for the destination. */
static int open_datagrams(struct delivery *delivery)
{
        struct deliveries *all = delivery->all;
        struct flow *flow = delivery->flow;
        int r;

        delivery->app_fd = transparent_datagram(&flow->remote, &flow->local, all->relay_mark);
        if (delivery->app_fd < 0)
                return delivery->app_fd;
        if (!delivery->is_direct && flow->n_inspectors == 0) {
                delivery->state = DELIVERY_CARRIED;
                r = session_hand_over(delivery->session, flow, delivery->app_fd);
                delivery->app_fd = close_fd(delivery->app_fd);
                return r;
        }
        r = delivery->upstream_fd < 0 ? hand_over_inspected(delivery) : 0;
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
                fail(delivery, r);
                return;
        }
        if (r < 0) {
                give_up(delivery, r);
                return;
        }
        delivery->all->n_delivered++;
        delivery->flow->is_delivered = true;
        open_flow(delivery);
}

static void open_way(struct delivery *delivery)
{
        if (delivery->flow->protocol == IPPROTO_UDP)
                open_udp(delivery);
        else
                open_tcp(delivery);
}

static int delivery_claim(struct deliveries *deliveries, struct flow *flow, struct session *session)
{
        struct delivery *delivery;
        int r;

        if (!flow->delivery && listener_is_short(&deliveries->listener)) {
                deliveries->n_given_up++;
                session_tell_closed(session, flow, &(struct session_flow_end){ .error = -EMFILE });
                return -EMFILE;
        }
        r = delivery_new(deliveries, flow, &delivery);
        if (r < 0)
                return r;
        delivery->state = DELIVERY_CLAIMED;
        give_to(delivery, session);
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

static int delivery_open(struct flow *flow, struct session *session, int result)
{
        struct delivery *delivery = claim_of(flow, session);

        if (!delivery || result > 0)
                return -EBADMSG;
        if (result < 0)
                fail(delivery, result);
        else
                open_way(delivery);
        return 0;
}

/* Near destinations have answered by the time that we get the socket. */
static bool is_connected(int fd)
{
        struct sockaddr_storage peer;
        socklen_t size = sizeof(peer);

        return getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
}

/* fd is handed over; its connect() may have ended. */
static void wait_for_upstream(struct delivery *delivery, int fd)
{
        int r;

        delivery->state = DELIVERY_CONNECTING;
        delivery->upstream_fd = fd;
        if (is_connected(fd)) {
                open_way(delivery);
                return;
        }
        r = loop_add(delivery->all->loop, &delivery->upstream_io, fd, EPOLLOUT, on_upstream,
                     delivery);
        if (r < 0)
                fail(delivery, r);
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
                open_way(delivery);
        return 0;
}

static int socket_option(int fd, int option)
{
        socklen_t size = sizeof(int);
        int value = -1;

        return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -errno : value;
}

/* A socket of TCP (also MPTCP) that does not listen: one that connects or is connected. */
static bool can_be_upstream(int fd)
{
        int protocol = socket_option(fd, SO_PROTOCOL);

        return (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP) &&
               socket_option(fd, SO_ACCEPTCONN) == 0;
}

static int delivery_splice(struct flow *flow, struct session *session, int fd)
{
        struct delivery *delivery = claim_of(flow, session);

        if (delivery && fd < 0) { /* there was no room for it */
                give_up(delivery, -EMFILE);
                return 0;
        }
        if (!delivery || flow->protocol != IPPROTO_TCP || !can_be_upstream(fd)) {
                (void)socket_set_reset_on_close(fd, true);
                close_fd(fd);
                return -EBADMSG;
        }
        wait_for_upstream(delivery, fd);
        return 0;
}

static int delivery_go_direct(struct deliveries *deliveries, struct flow *flow)
{
        struct delivery *delivery;
        int fd, r;

        r = delivery_new(deliveries, flow, &delivery);
        if (r < 0)
                return r;
        give_to(delivery, NULL);
        delivery->is_direct = true;
        fd = transparent_connect(socket_type(flow), &flow->local, &flow->remote,
                                 deliveries->own_mark);
        if (fd < 0)
                fail(delivery, fd);
        else
                wait_for_upstream(delivery, fd);
        return 0;
}

static void stop_peek(struct delivery *delivery)
{
        int one = 1;

        loop_remove(delivery->all->loop, &delivery->app_io);
        loop_timer_stop(&delivery->timer);
        (void)setsockopt(delivery->app_fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
        delivery->state = DELIVERY_OFFERED;
        delivery->peek_bytes = 0;
        give_to(delivery, NULL);
}

/* What the program said so far goes to who asked, whose answer comes as to any question. */
static void offer(struct delivery *delivery)
{
        struct session *session = delivery->session;
        uint8_t bytes[WIRE_DATA_MAX];
        ssize_t n;

        n = recv(delivery->app_fd, bytes, delivery->peek_bytes, MSG_PEEK | MSG_DONTWAIT);
        stop_peek(delivery);
        if (session)
                session_show(session, delivery->flow, bytes, n > 0 ? (size_t)n : 0);
        else
                chain_advance(delivery->all->chain, delivery->flow);
}

static int on_app(uint32_t events, void *userdata)
{
        offer(userdata);
        return 0;
}

/* SO_RCVLOWAT of socket(7): the kernel wakes us when enough is there, or the end. */
static void start_peek(struct delivery *delivery)
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
                fail(delivery, r);
}

static int delivery_peek(struct deliveries *deliveries, struct flow *flow, struct session *session,
                         uint32_t n_bytes, uint32_t timeout_ms)
{
        struct delivery *delivery;
        int r;

        r = delivery_new(deliveries, flow, &delivery);
        if (r < 0)
                return r;
        give_to(delivery, session);
        delivery->peek_bytes = n_bytes;
        delivery->peek_ns = timeout_ms * 1000000ULL;
        if (delivery->app_fd >= 0) {
                start_peek(delivery);
                return 0;
        }
        r = release(delivery);
        if (r < 0)
                forget(delivery);
        else
                chain_release_held(deliveries->chain, flow);
        return r;
}

static void on_accepted(int fd, const struct endpoint *app, const struct endpoint *remote,
                        void *userdata)
{
        struct deliveries *all = userdata;
        struct flow *flow = flow_table_find_tuple(all->chain->flows, IPPROTO_TCP, app, remote);
        struct delivery *delivery = flow ? flow->delivery : NULL;

        if (!delivery || delivery->state != DELIVERY_RELEASED || delivery->app_fd >= 0) {
                all->n_strangers++;
                (void)socket_set_reset_on_close(fd, true);
                close_fd(fd);
                return;
        }
        loop_timer_stop(&delivery->timer);
        delivery->app_fd = fd;
        if (delivery->peek_bytes)
                start_peek(delivery);
        else
                go(delivery);
}

static void on_relay_ended(const struct relay_end *relay, void *userdata)
{
        struct deliveries *all = userdata;
        struct flow *flow = flow_table_find(all->chain->flows, relay->id);
        struct session_flow_end flow_end = { .error = relay->error };

        if (!flow || !flow->delivery)
                return;
        flow_end.bytes_outbound = flow->bytes_outbound += relay->bytes_outbound;
        flow_end.bytes_inbound = flow->bytes_inbound += relay->bytes_inbound;
        delivery_end(flow->delivery, &flow_end);
}

/* Long enough peeked; or long enough waited for the connection of a program that is gone. */
static int on_timer(void *userdata)
{
        struct delivery *delivery = userdata;

        if (delivery->state == DELIVERY_PEEKING)
                offer(delivery);
        else if (delivery->state == DELIVERY_INSPECTED)
                inspected_cut(delivery, 0);
        else if (delivery->flow->verdict == NX_VERDICT_NONE)
                fail(delivery, -ECONNABORTED);
        else
                delivery_end(delivery, &(struct session_flow_end){ .error = -ECONNABORTED });
        return 0;
}

void delivery_abandon(struct flow *flow)
{
        struct delivery *delivery = flow->delivery;

        switch (delivery->state) {
        case DELIVERY_CLAIMED:
        case DELIVERY_CONNECTING:
                if (delivery->app_fd < 0)
                        fail(delivery, -ECONNABORTED);
                break;
        case DELIVERY_RELEASED:
                loop_timer_start(delivery->all->loop, &delivery->timer, now_ns() + ORPHAN_NS);
                break;
        case DELIVERY_CARRIED:
                if (flow->protocol == IPPROTO_UDP)
                        delivery_end(delivery, &(struct session_flow_end){});
                break; /* a relay ends when its last byte is through */
        case DELIVERY_INSPECTED:
                if (flow->protocol == IPPROTO_UDP)
                        loop_timer_start(delivery->all->loop, &delivery->timer,
                                         now_ns() + LAST_DATAGRAMS_NS);
                break;
        case DELIVERY_PEEKING:
        case DELIVERY_OFFERED:
                break; /* what it said before is in its connection, which we have */
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
        if (delivery->state == DELIVERY_INSPECTED)
                inspected_cut(delivery, -ECONNABORTED);
        else
                forget(delivery);
}

/* The fail policy answers for a provider that is gone; for a session that is, nobody does. */
static void go_on_without(struct session *session, struct flow *flow)
{
        if (session->in_use)
                chain_fall_back(session->chain, session, flow, WIRE_REASON_PROVIDER_GONE);
        else
                chain_let_go(session->chain, session, flow);
}

static void lose_session(struct delivery *delivery, struct session *session)
{
        struct flow *flow = delivery->flow;
        bool is_closed = session->in_use && session->fail_policy == WIRE_FAIL_CLOSED;

        give_to(delivery, NULL);
        if (delivery->state == DELIVERY_CLAIMED) {
                if (delivery->app_fd < 0)
                        forget(delivery);
                go_on_without(session, flow);
        } else if (delivery->state == DELIVERY_PEEKING) {
                stop_peek(delivery);
                go_on_without(session, flow);
        } else if (delivery->state == DELIVERY_RELEASED && delivery->peek_bytes && is_closed) {
                go_on_without(session, flow);
        } else if (flow->protocol == IPPROTO_UDP) {
                lose_datagrams(delivery);
        } /* else its bytes are with us */
}

static void deliveries_end_session(struct deliveries *deliveries, struct session *session)
{
        struct delivery *delivery, *following;

        list_for_each_safe (delivery, following, &session->claimed, link)
                lose_session(delivery, session);
        inspected_end_session(deliveries, session);
}

const struct chain_deliverer deliverer = {
        .claim = delivery_claim,
        .peek = delivery_peek,
        .go_direct = delivery_go_direct,
        .deny = delivery_deny,
        .open = delivery_open,
        .splice = delivery_splice,
        .judge_data = inspected_judge,
        .retry_session = inspected_retry_session,
        .end_session = deliveries_end_session,
};

/* The extension closed the flow's socket, or an earlier flowd let go of the flow. */
static void on_stray(const struct endpoint *app, const struct endpoint *remote, void *userdata)
{
        struct deliveries *all = userdata;
        struct flow *flow = flow_table_find_tuple(all->chain->flows, IPPROTO_UDP, app, remote);
        struct delivery *delivery = flow ? flow->delivery : NULL;

        if (!delivery || delivery->state != DELIVERY_CARRIED) {
                passed_forget(all->passed, app, remote);
                return;
        }
        if (delivery->session)
                session_tell_closed(delivery->session, flow, &(struct session_flow_end){});
        lose_datagrams(delivery);
}

#define PORTS_TRIED 16

/* Streams and datagrams arrive on the same ports. */
static int open_ports(struct deliveries *deliveries)
{
        int r = -EADDRINUSE;

        for (int i = 0; i < PORTS_TRIED && r == -EADDRINUSE; i++) {
                r = listener_open(&deliveries->listener);
                if (r < 0)
                        return r;
                r = strays_open(&deliveries->strays, &deliveries->listener);
                if (r < 0)
                        listener_close(&deliveries->listener);
        }
        return r;
}

int deliveries_open(struct deliveries *deliveries)
{
        int r;

        r = open_ports(deliveries);
        if (r >= 0)
                r = inspected_open(deliveries);
        if (r < 0)
                return r;
        return relay_pool_new(&deliveries->relays, deliveries->loop, on_relay_ended, deliveries);
}

int deliveries_start(struct deliveries *deliveries)
{
        int r;

        r = strays_start(&deliveries->strays, deliveries->loop, on_stray, deliveries);
        if (r < 0)
                return r;
        return listener_start(&deliveries->listener, deliveries->loop, on_accepted, deliveries);
}

void deliveries_catch_up(struct deliveries *deliveries)
{
        unsigned int n_released = deliveries->n_released;

        deliveries->n_released = 0;
        listener_accept(&deliveries->listener, n_released);
}

void deliveries_close(struct deliveries *deliveries)
{
        strays_close(&deliveries->strays);
        listener_close(&deliveries->listener);
        inspected_close(deliveries);
        deliveries->relays = relay_pool_free(deliveries->relays);
}
