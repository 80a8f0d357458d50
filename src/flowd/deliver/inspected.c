/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sessions and their providers come and go while flows are inspected, so they are found by their
 * slots each time. One that asked for bytes is not followed by the next in its slot.
 */

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "chain/chain.h"
#include "chain/ending.h"
#include "chain/successor.h"
#include "deliver/inspected.h"
#include "deliver/watched.h"
#include "deliver/way.h"
#include "flow/flow.h"
#include "inspect/datagrams.h"
#include "inspect/inspection.h"

#define ANSWERS_CHECK_NS (250 * 1000000ULL)

static struct session *session_of(const struct delivery *delivery, unsigned int inspector)
{
        const struct flow_inspector *who = &delivery->flow->inspectors[inspector];
        struct chain *chain = delivery->all->chain;
        struct session *session = successor_find_inspector(chain, who);

        if (!session)
                session = chain_session(chain, who->slot);
        return session && session->activation == who->activation ? session : NULL;
}

static bool has_asked(const struct session *session, const struct flow_inspector *inspector)
{
        return session->slot == inspector->slot && session->activation == inspector->activation &&
               session->run == inspector->run;
}

/* What becomes of bytes without the session: a stopped one lets go, a dead one has its policy. */
static bool lets_pass(const struct session *session)
{
        return !session || !session->in_use || session_falls_open(session);
}

static uint64_t *debt(struct delivery *delivery, unsigned int inspector,
                      enum nx_direction direction)
{
        return &delivery->flow->inspectors[inspector].asked_ns[direction == NX_DIRECTION_OUTBOUND];
}

static void watch_answers(struct deliveries *all)
{
        if (list_is_empty(&all->answers_timer.link))
                loop_timer_start(all->loop, &all->answers_timer, now_ns() + ANSWERS_CHECK_NS);
}

static void forgive(struct delivery *delivery, unsigned int inspector)
{
        struct flow_inspector *forgiven = &delivery->flow->inspectors[inspector];

        memset(forgiven->asked_ns, 0, sizeof(forgiven->asked_ns));
        forgiven->paused_ns = 0;
}

/* A pause of datagrams has an end, whichever direction they have. */
static void note_pause(struct delivery *delivery, unsigned int inspector,
                       const struct session_data_verdict *verdict)
{
        struct flow_inspector *who = &delivery->flow->inspectors[inspector];

        if (verdict->verdict != NX_VERDICT_PAUSE) {
                who->paused_ns = 0;
        } else if (!who->paused_ns) {
                who->paused_ns = now_ns();
                watch_answers(delivery->all);
        }
}

static void owe(struct delivery *delivery, unsigned int inspector, enum nx_direction direction)
{
        *debt(delivery, inspector, direction) = now_ns();
        watch_answers(delivery->all);
}

/* How many of the bytes it is shown, or a negative errno. */
static int show(struct delivery *delivery, unsigned int inspector, enum nx_direction direction,
                uint64_t offset, const void *bytes, size_t size)
{
        struct session *session = session_of(delivery, inspector);
        int n;

        if (!session)
                return -ESRCH;
        n = session_show_data(session, delivery->flow, direction, offset, bytes, size);
        if (n >= 0)
                owe(delivery, inspector, direction);
        return n;
}

static size_t on_show(struct inspection *inspection, unsigned int inspector,
                      enum nx_direction direction, uint64_t offset, const void *bytes, size_t size,
                      void *userdata)
{
        int n = show(userdata, inspector, direction, offset, bytes, size);

        return n < 0 ? 0 : (size_t)n;
}

/* One can be empty. */
static bool on_show_datagram(struct datagrams *datagrams, unsigned int inspector,
                             enum nx_direction direction, uint64_t offset, const void *bytes,
                             size_t size, void *userdata)
{
        return show(userdata, inspector, direction, offset, bytes, size) >= 0;
}

static bool on_complete(struct inspection *inspection, unsigned int inspector,
                        enum nx_direction direction, void *userdata)
{
        struct delivery *delivery = userdata;
        struct session *session = session_of(delivery, inspector);

        if (!session || session_tell_complete(session, delivery->flow, direction) < 0)
                return false;
        owe(delivery, inspector, direction);
        return true;
}

static void leave(struct delivery *delivery)
{
        successor_inspectors_over(delivery->all->chain, delivery->flow);
        list_remove(&delivery->inspected);
        delivery->inspection = NULL;
        delivery->datagrams = NULL;
}

static void on_done(struct inspection *inspection, int app_fd, int upstream_fd,
                    uint64_t bytes_outbound, uint64_t bytes_inbound, void *userdata)
{
        struct delivery *delivery = userdata;

        leave(delivery);
        delivery->flow->bytes_outbound = bytes_outbound;
        delivery->flow->bytes_inbound = bytes_inbound;
        delivery->app_fd = app_fd;
        delivery->upstream_fd = upstream_fd;
        way_carry(delivery);
}

static void end(struct delivery *delivery, int error, uint64_t bytes_outbound,
                uint64_t bytes_inbound)
{
        struct session_flow_end end = {
                .error = error,
                .bytes_outbound = bytes_outbound,
                .bytes_inbound = bytes_inbound,
        };

        leave(delivery);
        if (error == -ENOBUFS)
                delivery->flow->reason = WIRE_REASON_MEMORY_SHORT;
        delivery->flow->bytes_outbound = bytes_outbound;
        delivery->flow->bytes_inbound = bytes_inbound;
        delivery->flow->has_counts = true;
        delivery_end(delivery, &end);
}

static void on_ended(struct inspection *inspection, int error, uint64_t bytes_outbound,
                     uint64_t bytes_inbound, void *userdata)
{
        end(userdata, error, bytes_outbound, bytes_inbound);
}

static void on_datagram_decided(struct datagrams *datagrams, enum nx_direction direction,
                                uint64_t token, bool passes, void *userdata)
{
        watched_decide(userdata, token, passes);
}

/* From here on the kernel lets all of them pass. */
static void on_datagrams_done(struct datagrams *datagrams, uint64_t bytes_outbound,
                              uint64_t bytes_inbound, void *userdata)
{
        struct delivery *delivery = userdata;

        leave(delivery);
        delivery->state = DELIVERY_CARRIED;
        delivery->flow->is_delivered = false;
        delivery->flow->bytes_outbound = bytes_outbound;
        delivery->flow->bytes_inbound = bytes_inbound;
}

/* Nobody's socket says so where others began the flow. */
static void on_datagrams_ended(struct datagrams *datagrams, int error, uint64_t bytes_outbound,
                               uint64_t bytes_inbound, void *userdata)
{
        struct delivery *delivery = userdata;

        if (flow_is_call(delivery->flow))
                delivery_close_datagrams(delivery, WIRE_END_NONE);
        end(userdata, error, bytes_outbound, bytes_inbound);
}

static struct inspection_peek peek_of(const struct flow_inspector *inspector)
{
        return (struct inspection_peek){
                .outbound = inspector->peek_outbound,
                .inbound = inspector->peek_inbound,
                .pass_outbound = inspector->pass_outbound,
                .pass_inbound = inspector->pass_inbound,
        };
}

/* Leaves out those that are gone; the others keep their order. */
static int gather_peeks(struct delivery *delivery, struct inspection_peek *peeks)
{
        struct flow *flow = delivery->flow;
        unsigned int n = 0;

        for (unsigned int i = 0; i < flow->n_inspectors; i++) {
                struct session *session = session_of(delivery, i);

                if (flow->inspectors[i].drops)
                        return -EPERM;
                if (!session || session->provider != PROVIDER_RUNNING ||
                    !has_asked(session, &flow->inspectors[i])) {
                        if (!lets_pass(session))
                                return -ECONNREFUSED;
                        continue;
                }
                flow->inspectors[n] = flow->inspectors[i];
                peeks[n] = peek_of(&flow->inspectors[n]);
                n++;
        }
        flow->n_inspectors = n;
        return (int)n;
}

static bool any_wants_to_see(const struct inspection_peek *peeks, int n)
{
        for (int i = 0; i < n; i++)
                if (peeks[i].outbound != UINT64_MAX || peeks[i].inbound != UINT64_MAX)
                        return true;
        return false;
}

int inspected_begin(struct delivery *delivery)
{
        struct inspection_peek peeks[INSPECTION_INSPECTORS_MAX];
        struct inspection_setup setup = { .peeks = peeks, .userdata = delivery };
        bool is_udp = delivery->flow->protocol == IPPROTO_UDP;
        bool is_call = flow_is_call(delivery->flow);
        int r;

        setup.ends_with_upstream = !delivery->is_direct;
        r = gather_peeks(delivery, peeks);
        if (r < 0)
                return r;
        if ((!is_udp || is_call) && !any_wants_to_see(peeks, r)) {
                successor_inspectors_over(delivery->all->chain, delivery->flow);
                return 0;
        }
        setup.n_inspectors = (unsigned int)r;
        setup.app_fd = take_fd(&delivery->app_fd);
        setup.upstream_fd = take_fd(&delivery->upstream_fd);
        if (is_udp)
                r = datagrams_new(&delivery->datagrams, delivery->all->datagrams, &setup);
        else
                r = inspection_new(&delivery->inspection, delivery->all->inspections, &setup);
        if (r < 0)
                return r;
        delivery->state = DELIVERY_INSPECTED;
        list_append(&delivery->all->inspected, &delivery->inspected);
        return 1;
}

static int inspector_of(const struct flow *flow, const struct session *session)
{
        for (unsigned int i = 0; i < flow->n_inspectors; i++)
                if (has_asked(session, &flow->inspectors[i]))
                        return (int)i;
        return -ENOENT;
}

/* As an update would. All that there will be to pass is nothing to see. */
static void pass_early(uint64_t *pass, uint64_t *peek, const struct session_data_verdict *verdict)
{
        if (*peek == UINT64_MAX)
                return;
        if (verdict->pass_bytes > UINT64_MAX - *pass - 1) {
                *peek = UINT64_MAX;
                return;
        }
        *pass += verdict->pass_bytes;
        *peek = verdict->peek_bytes < WIRE_DATA_MAX ? verdict->peek_bytes : WIRE_DATA_MAX;
}

static void judge_early(struct flow_inspector *inspector,
                        const struct session_data_verdict *verdict)
{
        if (verdict->verdict == NX_VERDICT_DROP)
                inspector->drops = true;
        else if (verdict->verdict == NX_VERDICT_ALLOW)
                inspector->peek_outbound = inspector->peek_inbound = UINT64_MAX;
        else if (verdict->verdict != NX_VERDICT_FILTER_DATA)
                return; /* nothing was shown that could pause */
        else if (verdict->direction == NX_DIRECTION_OUTBOUND)
                pass_early(&inspector->pass_outbound, &inspector->peek_outbound, verdict);
        else
                pass_early(&inspector->pass_inbound, &inspector->peek_inbound, verdict);
}

int inspected_judge(struct flow *flow, struct session *session,
                    const struct session_data_verdict *verdict)
{
        const struct inspection_verdict said = {
                .verdict = verdict->verdict,
                .is_update = verdict->is_update,
                .pass_bytes = verdict->pass_bytes,
                .peek_bytes = verdict->peek_bytes,
        };
        struct delivery *delivery = flow->delivery;
        int inspector = inspector_of(flow, session);

        if (inspector < 0)
                return delivery ? -EBADMSG : 0;
        if (!delivery || delivery->state != DELIVERY_INSPECTED) {
                judge_early(&flow->inspectors[inspector], verdict); /* or crossed with the end */
                return 0;
        }
        if (!verdict->is_update)
                *debt(delivery, (unsigned int)inspector, verdict->direction) = 0;
        if (delivery->datagrams)
                note_pause(delivery, (unsigned int)inspector, verdict);
        if (delivery->datagrams)
                return datagrams_verdict(delivery->datagrams, (unsigned int)inspector,
                                         verdict->direction, &said);
        if (verdict->verdict == NX_VERDICT_DROP)
                ending_note(delivery->all->chain, flow,
                            &(struct ending){ .by = WIRE_END_FILTER, .session = session });
        return inspection_verdict(delivery->inspection, (unsigned int)inspector, verdict->direction,
                                  &said);
}

void inspected_cut(struct delivery *delivery, int error)
{
        if (delivery->datagrams)
                datagrams_cut(delivery->datagrams, error);
        else
                inspection_cut(delivery->inspection, error ? error : -ECONNABORTED);
}

static void remove_inspector(struct delivery *delivery, unsigned int inspector, bool is_let_pass)
{
        forgive(delivery, inspector);
        if (delivery->datagrams)
                datagrams_remove_inspector(delivery->datagrams, inspector, is_let_pass);
        else
                inspection_remove_inspector(delivery->inspection, inspector, is_let_pass);
}

void inspected_retry_session(struct deliveries *deliveries, struct session *session)
{
        struct delivery *delivery, *following;
        int inspector;

        list_for_each_safe (delivery, following, &deliveries->inspected, inspected) {
                inspector = inspector_of(delivery->flow, session);
                if (inspector >= 0 && delivery->datagrams)
                        datagrams_retry(delivery->datagrams, (unsigned int)inspector);
                else if (inspector >= 0)
                        inspection_retry(delivery->inspection, (unsigned int)inspector);
        }
}

void inspected_end_session(struct deliveries *deliveries, struct session *session)
{
        struct delivery *delivery, *following;
        int inspector;

        list_for_each_safe (delivery, following, &deliveries->inspected, inspected) {
                inspector = inspector_of(delivery->flow, session);
                if (inspector >= 0)
                        remove_inspector(delivery, (unsigned int)inspector, lets_pass(session));
        }
}

void inspected_tell_closed(struct delivery *delivery, const struct session_flow_end *end)
{
        for (unsigned int i = 0; i < delivery->flow->n_inspectors; i++) {
                struct session *session = session_of(delivery, i);

                if (session && has_asked(session, &delivery->flow->inspectors[i]))
                        session_tell_closed(session, delivery->flow, end);
        }
}

/* The first inspector that owes an answer for too long, or -ENOENT; notes whether any owes one. */
static int find_late(const struct delivery *delivery, uint64_t now, bool *ret_any)
{
        for (unsigned int i = 0; i < delivery->flow->n_inspectors; i++) {
                const struct session *session = session_of(delivery, i);
                const uint64_t *asked_ns = delivery->flow->inspectors[i].asked_ns;

                for (int k = 0; session && k < 2; k++) {
                        *ret_any |= asked_ns[k] != 0;
                        if (asked_ns[k] && now - asked_ns[k] > session->verdict_timeout_ns)
                                return (int)i;
                }
        }
        return -ENOENT;
}

/* The filter's place in a flow of which a datagram has been paused for too long. */
static struct flow_inspector *find_paused_too_long(struct deliveries *all, uint64_t now,
                                                   struct delivery **ret_delivery)
{
        struct delivery *delivery;

        list_for_each (delivery, &all->inspected, inspected)
                for (unsigned int i = 0; i < delivery->flow->n_inspectors; i++) {
                        struct flow_inspector *who = &delivery->flow->inspectors[i];

                        if (!who->paused_ns || now - who->paused_ns < DATAGRAMS_PAUSE_NS)
                                continue;
                        *ret_delivery = delivery;
                        return who;
                }
        return NULL;
}

/* As if the filter had said DROP. What ends one flow can end others with it. */
static void end_paused(struct deliveries *all, uint64_t now)
{
        struct flow_inspector *who;
        struct delivery *delivery;

        while ((who = find_paused_too_long(all, now, &delivery))) {
                const struct ending ending = {
                        .by = WIRE_END_FILTER,
                        .session = successor_find_inspector(all->chain, who),
                };

                who->paused_ns = 0;
                delivery->flow->reason = WIRE_REASON_PAUSE_TIMEOUT;
                (void)ending_end(all->chain, delivery->flow, &ending);
        }
}

static bool is_any_paused(const struct delivery *delivery)
{
        for (unsigned int i = 0; i < delivery->flow->n_inspectors; i++)
                if (delivery->flow->inspectors[i].paused_ns)
                        return true;
        return false;
}

static int on_answers_timer(void *userdata)
{
        struct deliveries *all = userdata;
        struct delivery *delivery, *following;
        uint64_t now = now_ns();
        bool any = false;

        end_paused(all, now);
        list_for_each_safe (delivery, following, &all->inspected, inspected) {
                int late = find_late(delivery, now, &any);

                any |= is_any_paused(delivery);
                if (late < 0)
                        continue;
                delivery->flow->reason = WIRE_REASON_VERDICT_TIMEOUT;
                remove_inspector(delivery, (unsigned int)late,
                                 lets_pass(session_of(delivery, (unsigned int)late)));
        }
        if (any)
                loop_timer_start(all->loop, &all->answers_timer, now + ANSWERS_CHECK_NS);
        return 0;
}

int inspected_open(struct deliveries *deliveries)
{
        static const struct inspection_listener listener = {
                .show = on_show,
                .complete = on_complete,
                .done = on_done,
                .ended = on_ended,
        };
        static const struct datagrams_listener datagrams_listener = {
                .show = on_show_datagram,
                .decide = on_datagram_decided,
                .done = on_datagrams_done,
                .ended = on_datagrams_ended,
        };
        int r;

        list_init(&deliveries->inspected);
        loop_timer_init(&deliveries->answers_timer, on_answers_timer, deliveries);
        r = inspection_pool_new(&deliveries->inspections, deliveries->loop, &listener,
                                INSPECTION_BYTES_MAX);
        if (r < 0)
                return r;
        return datagrams_pool_new(&deliveries->datagrams, deliveries->loop, &datagrams_listener,
                                  INSPECTION_BYTES_MAX);
}

void inspected_close(struct deliveries *deliveries)
{
        deliveries->inspections = inspection_pool_free(deliveries->inspections);
        deliveries->datagrams = datagrams_pool_free(deliveries->datagrams);
}
