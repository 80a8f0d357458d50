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

#include "base/cleanup.h"
#include "base/socket.h"
#include "chain/chain.h"
#include "chain/quota.h"
#include "chain/successor.h"
#include "deliver/between.h"
#include "deliver/claim.h"
#include "deliver/idle.h"
#include "deliver/inspected.h"
#include "deliver/peek.h"
#include "deliver/visit.h"
#include "deliver/watched.h"
#include "deliver/way.h"
#include "flow/table.h"
#include "relay/relay.h"
#include "steer/hooks.h"
#include "steer/passed.h"
#include "steer/watch.h"

#define ORPHAN_NS         (1 * 1000000000ULL)
#define LAST_DATAGRAMS_NS (10 * 1000000000ULL) /* for filters to decide about them */

static int on_timer(void *userdata);

int delivery_new(struct deliveries *deliveries, struct flow *flow, struct delivery **ret_delivery)
{
        struct delivery *delivery = flow->delivery;

        if (!delivery) {
                delivery = malloc(sizeof(*delivery));
                if (!delivery)
                        return -ENOMEM;
                *delivery = (struct delivery){
                        .all = deliveries,
                        .flow = flow,
                        .share = quota_deliver(deliveries->chain->quota, flow),
                        .app_fd = -1,
                        .upstream_fd = -1,
                        .app_io = LOOP_IO_NULL,
                        .upstream_io = LOOP_IO_NULL,
                };
                list_init(&delivery->link);
                list_init(&delivery->inspected);
                list_init(&delivery->expected);
                loop_timer_init(&delivery->timer, on_timer, delivery);
                wheel_timer_init(&delivery->idle_timer);
                flow->delivery = delivery;
                deliveries->n_open++;
        }
        *ret_delivery = delivery;
        return 0;
}

void delivery_share_nothing(struct delivery *delivery)
{
        delivery->share = quota_undeliver(delivery->all->chain->quota, delivery->share);
}

void delivery_give_to(struct delivery *delivery, struct session *session)
{
        list_remove(&delivery->link);
        delivery->session = session;
        if (session)
                list_append(&session->claimed, &delivery->link);
}

static void delivery_free(struct delivery *delivery)
{
        struct deliveries *all = delivery->all;

        delivery_share_nothing(delivery);
        loop_remove(all->loop, &delivery->app_io);
        loop_remove(all->loop, &delivery->upstream_io);
        loop_timer_stop(&delivery->timer);
        wheel_timer_stop(&delivery->idle_timer);
        close_fd(delivery->app_fd);
        close_fd(delivery->upstream_fd);
        list_remove(&delivery->link);
        list_remove(&delivery->expected);
        delivery->flow->delivery = NULL;
        all->n_open--;
        free(delivery);
}

void delivery_forget(struct delivery *delivery)
{
        struct deliveries *all = delivery->all;
        struct flow *flow = delivery->flow;

        successor_inspectors_over(all->chain, flow);
        if (is_visit(delivery))
                visit_end(delivery);
        if (delivery->upstream_fd >= 0)
                (void)socket_set_reset_on_close(delivery->upstream_fd, true);
        delivery_free(delivery);
        if (flow->closed_ns && flow->verdict != NX_VERDICT_NONE)
                reports_closed(&all->chain->reports, flow);
        flow_table_unpin(all->chain->flows, flow);
}

void delivery_end(struct delivery *delivery, const struct session_flow_end *flow_end)
{
        if (delivery->session)
                session_tell_closed(delivery->session, delivery->flow, flow_end);
        inspected_tell_closed(delivery, flow_end);
        delivery_forget(delivery);
}

void delivery_fail(struct delivery *delivery, int error)
{
        struct chain *chain = delivery->all->chain;
        struct flow *flow = delivery->flow;

        if (is_visit(delivery))
                visit_answered(delivery);
        (void)socket_set_reset_on_close(delivery->app_fd, true);
        delivery_end(delivery, &(struct session_flow_end){ .error = error });
        chain_fail(chain, flow, error);
}

void delivery_give_up(struct delivery *delivery, int error)
{
        struct chain *chain = delivery->all->chain;
        struct session *session = delivery->session;
        struct flow *flow = delivery->flow;

        delivery->all->n_given_up++;
        if (!session || delivery->app_fd >= 0) {
                delivery_fail(delivery, error);
                return;
        }
        delivery_end(delivery, &(struct session_flow_end){ .error = error });
        chain_fall_back(chain, session, flow, WIRE_REASON_TABLE_FULL);
}

static void delivery_deny(struct flow *flow)
{
        (void)socket_set_reset_on_close(flow->delivery->app_fd, true);
        delivery_forget(flow->delivery);
}

static void delivery_cut(struct flow *flow)
{
        struct delivery *delivery = flow->delivery;

        if (delivery->state == DELIVERY_INSPECTED) {
                inspected_cut(delivery, -ECONNABORTED);
        } else if (delivery->state == DELIVERY_CARRIED && flow->protocol == IPPROTO_TCP) {
                relay_pool_cut(delivery->all->relays, flow->id, -ECONNABORTED);
        } else {
                if (is_visit(delivery))
                        visit_answered(delivery);
                (void)socket_set_reset_on_close(delivery->app_fd, true);
                delivery_end(delivery, &(struct session_flow_end){ .error = -ECONNABORTED });
        }
}

int delivery_release(struct delivery *delivery)
{
        struct flow *flow = delivery->flow;
        int r = 0;

        if (is_visit(delivery))
                r = visit_admit(delivery);
        else
                hooks_deliver(delivery->all->hooks, flow->socket_cookie);
        if (r < 0)
                return r;
        delivery->state = DELIVERY_RELEASED;
        delivery->all->n_released++;
        flow->is_delivered = true;
        return 0;
}

static void on_accepted(int fd, const struct endpoint *app, const struct endpoint *remote,
                        void *userdata)
{
        struct deliveries *all = userdata;
        struct flow *flow = flow_table_find_tuple(all->chain->flows, IPPROTO_TCP, app, remote);
        struct delivery *delivery = flow ? flow->delivery : NULL;

        if (between_take(all, fd, app))
                return;
        if (!delivery || delivery->state != DELIVERY_RELEASED || delivery->app_fd >= 0) {
                all->n_strangers++;
                (void)socket_set_reset_on_close(fd, true);
                close_fd(fd);
                return;
        }
        loop_timer_stop(&delivery->timer);
        delivery->app_fd = fd;
        if (delivery->peek_bytes)
                peek_start(delivery);
        else
                way_go(delivery);
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
        flow->has_counts = true;
        delivery_end(flow->delivery, &flow_end);
}

/* Long enough peeked; or long enough waited for the connection of a program that is gone, or for a
 * visitor. */
static int on_timer(void *userdata)
{
        struct delivery *delivery = userdata;

        if (delivery->state == DELIVERY_PEEKING)
                peek_offer(delivery);
        else if (delivery->state == DELIVERY_INSPECTED)
                inspected_cut(delivery, 0);
        else if (delivery->flow->verdict == NX_VERDICT_NONE)
                delivery_fail(delivery, -ECONNABORTED);
        else
                delivery_end(delivery, &(struct session_flow_end){ .error = -ECONNABORTED });
        return 0;
}

void delivery_abandon(struct flow *flow)
{
        struct delivery *delivery = flow->delivery;

        if (is_visit(delivery))
                return; /* what the server said before is in our connection to it */
        switch (delivery->state) {
        case DELIVERY_CLAIMED:
        case DELIVERY_CONNECTING:
                if (delivery->app_fd < 0)
                        delivery_fail(delivery, -ECONNABORTED);
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

void delivery_close_datagrams(struct delivery *delivery, enum wire_flow_end by)
{
        struct chain *chain = delivery->all->chain;
        struct flow *flow = delivery->flow;

        if (flow_was_ended(flow))
                return;
        passed_forget(delivery->all->passed, &flow->local, &flow->remote);
        if (flow->closed_ns)
                return;
        flow->ended_by = by;
        flow_table_close(chain->flows, flow, now_ns());
        chain->listener.flow_closed(flow, chain->listener.userdata);
}

void delivery_end_datagrams(struct delivery *delivery, enum wire_flow_end by, int error)
{
        delivery_close_datagrams(delivery, by);
        if (delivery->state == DELIVERY_INSPECTED)
                inspected_cut(delivery, error);
        else
                delivery_end(delivery, &(struct session_flow_end){ .error = error });
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
        bool is_closed = session->in_use && !session_falls_open(session);

        delivery_give_to(delivery, NULL);
        if (delivery->state == DELIVERY_CLAIMED) {
                if (delivery->app_fd < 0)
                        delivery_forget(delivery);
                go_on_without(session, flow);
        } else if (delivery->state == DELIVERY_PEEKING) {
                peek_stop(delivery);
                go_on_without(session, flow);
        } else if (delivery->state == DELIVERY_RELEASED && delivery->peek_bytes && is_closed) {
                go_on_without(session, flow);
        } else if (flow->protocol == IPPROTO_UDP) { /* the socket went with the provider */
                delivery_end_datagrams(delivery, WIRE_END_EXTENSION, -ECONNABORTED);
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
        .claim = claim_begin,
        .peek = peek_begin,
        .go_direct = way_go_direct,
        .deny = delivery_deny,
        .cut = delivery_cut,
        .open = claim_open,
        .splice = claim_splice,
        .judge_data = inspected_judge,
        .retry_session = inspected_retry_session,
        .end_session = deliveries_end_session,
};

void delivery_stray(struct flow *flow)
{
        struct delivery *delivery = flow->delivery;

        if (delivery->state == DELIVERY_CARRIED)
                delivery_end_datagrams(delivery, WIRE_END_EXTENSION, 0);
        /* else it waits for its way, or its way is ours and came just now */
}

int deliveries_open(struct deliveries *deliveries)
{
        int r;

        idle_open(deliveries);
        list_init(&deliveries->expected);
        doors_init(&deliveries->doors);
        r = listener_open(&deliveries->listener);
        if (r >= 0)
                r = watched_open(deliveries);
        if (r >= 0)
                r = inspected_open(deliveries);
        if (r < 0)
                return r;
        return relay_pool_new(&deliveries->relays, deliveries->loop, on_relay_ended, deliveries);
}

int deliveries_start(struct deliveries *deliveries)
{
        int r;

        visits_start(deliveries);
        r = watched_start(deliveries);
        if (r < 0)
                return r;
        return listener_start(&deliveries->listener, deliveries->loop, on_accepted, deliveries);
}

void deliveries_flush(struct deliveries *deliveries)
{
        watch_flush(deliveries->watch);
        deliveries->has_room = false;
}

void deliveries_catch_up(struct deliveries *deliveries)
{
        unsigned int n_released = deliveries->n_released;

        deliveries->n_released = 0;
        listener_accept(&deliveries->listener, n_released);
}

/* They end with us, and nobody is told. */
static void free_open(struct deliveries *deliveries)
{
        struct flow *flow;

        list_for_each (flow, &deliveries->chain->flows->ages, age)
                if (flow->delivery)
                        delivery_free(flow->delivery);
}

void deliveries_close(struct deliveries *deliveries)
{
        free_open(deliveries);
        listener_close(&deliveries->listener);
        doors_close(&deliveries->doors);
        inspected_close(deliveries);
        watched_close(deliveries);
        idle_close(deliveries);
        deliveries->relays = relay_pool_free(deliveries->relays);
}
