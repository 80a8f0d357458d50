/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Events are read in batches: after the first one, the ring is looked at every 20 ms until
 * it stays empty. That costs a record some milliseconds and a busy machine nothing. What the ring
 * had no room for is found out then (engine/lost.c).
 *
 * The port of a connection that rules allow is chosen behind the hook that tells of it. Its
 * end tells it; before, the kernel is asked once somebody looks.
 */

#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "chain/ending.h"
#include "chain/session.h"
#include "engine/events.h"
#include "engine/groups.h"
#include "engine/lost.h"
#include "steer/leftovers.h"
#include "steer/passed.h"
#include "steer/sockets.h"

#define PAUSE_NS (20 * 1000000ULL)

static struct in6_addr from_steer(const struct steer_address *steer)
{
        struct in6_addr address;

        memcpy(&address, steer, sizeof(address));
        return address;
}

static void on_decided_by_rules(struct intake *intake, const struct steer_event_decided *event)
{
        bool is_allowed = event->event.type == STEER_EVENT_ALLOWED;
        struct flow model = {
                .newest_session = intake->chain->last_activation,
                .protocol = event->owner.protocol,
                .direction = NX_DIRECTION_OUTBOUND,
                .local = { .port = event->event.local_port },
                .remote = { from_steer(&event->owner.remote), event->owner.remote_port },
                .verdict = is_allowed ? NX_VERDICT_ALLOW : NX_VERDICT_REFUSE,
                .decided_ns = event->owner.time_ns,
                .closed_ns = is_allowed ? 0 : event->owner.time_ns,
        };
        struct flow *flow;

        intake_set_owner(intake, &model, &event->owner);
        chain_note_outcome(intake->chain, &model, &event->owner.outcome);
        chain_count(intake->chain, &model);
        flow = flow_table_add(intake->flows, &model);
        if (!flow) {
                intake->counters.table_full++;
                return;
        }
        flow->is_unshown = is_allowed && intake->is_watched(intake->userdata);
        if (is_allowed)
                list_append(flow->is_unshown ? &intake->unshown : &intake->unplaced,
                            &flow->waiting);
        if (!flow->is_unshown)
                intake->chain->listener.flow_decided(flow, intake->chain->listener.userdata);
}

/* Of the flows of one socket, the newest is the one that the kernel speaks of. */
static void set_local_end(uint64_t cookie, const struct endpoint *local, void *userdata)
{
        struct intake *intake = userdata;
        struct flow *flow = flow_table_find_socket(intake->flows, cookie);

        if (flow && !flow->local.port && !flow->closed_ns)
                flow->local = *local;
}

static void ask_for_local_ends(struct intake *intake)
{
        int r;

        r = sockets_list(mark_bits(MARK_PASS_SOCKET, intake->mark_mask), intake->mark_mask,
                         set_local_end, intake);
        if (r < 0)
                log_debug("the kernel's sockets cannot be listed: %s", strerror(-r));
}

void events_find_local_ends(struct intake *intake)
{
        struct flow *flow, *following;

        if (list_is_empty(&intake->unplaced))
                return;
        ask_for_local_ends(intake);
        list_for_each_safe (flow, following, &intake->unplaced, waiting)
                if (flow->local.port)
                        list_remove(&flow->waiting);
}

static void show(struct intake *intake, struct flow *flow)
{
        list_remove(&flow->waiting);
        flow->is_unshown = false;
        if (!flow->local.port && !flow->closed_ns)
                list_append(&intake->unplaced, &flow->waiting);
        intake->chain->listener.flow_decided(flow, intake->chain->listener.userdata);
}

/* A program can be in the midst of its connect(), on the way to a port: it gets a pause more. */
static void show_decided(struct intake *intake)
{
        struct flow *flow, *following;
        uint64_t now = now_ns();

        if (list_is_empty(&intake->unshown))
                return;
        ask_for_local_ends(intake);
        list_for_each_safe (flow, following, &intake->unshown, waiting)
                if (flow->local.port || now > flow->started_ns + PAUSE_NS)
                        show(intake, flow);
}

struct closing {
        struct intake *intake;
        struct endpoint local;           /* of the newest flow, which comes first; then of none */
        const struct steer_tally *tally; /* the same */
        uint64_t at_ns;
};

static void on_socket_closed(struct flow *flow, void *userdata)
{
        struct closing *closing = userdata;
        struct intake *intake = closing->intake;
        const struct steer_tally *tally = closing->tally;
        struct endpoint local = closing->local;

        closing->local = (struct endpoint){};
        closing->tally = NULL;
        if (flow_was_ended(flow) && flow->protocol == IPPROTO_TCP && intake->chain->cuts)
                passed_mend(intake->passed, &flow->local, &flow->remote);
        if (flow->closed_ns) {
                if (flow->was_queued && flow_was_denied(flow))
                        ending_forget(intake->chain, flow); /* what it has tried */
                return;
        }
        if (tally && flow->protocol == IPPROTO_TCP)
                reports_note_tally(flow, tally);
        if (!flow->local.port)
                flow->local = local;
        if (flow->verdict == NX_VERDICT_NONE) {
                flow->closed_ns = closing->at_ns; /* still held: the verdict closes it */
                if (flow->delivery)
                        intake->flow_abandoned(flow, intake->userdata);
                else
                        session_abandon(flow);
                return;
        }
        if (flow->is_unshown)
                show(intake, flow);
        session_abandon(flow);
        list_remove(&flow->waiting);
        flow_table_close(intake->flows, flow, closing->at_ns);
        if (flow->delivery)
                intake->flow_abandoned(flow, intake->userdata);
        ending_forget(intake->chain, flow);
        intake->flow_closed(flow, intake->userdata);
}

static void on_closed(struct intake *intake, const struct steer_event_closed *event)
{
        uint64_t cookie = event->event.cookie;
        const struct endpoint local = { from_steer(&event->local), event->event.local_port };
        struct closing closing = {
                .intake = intake, .local = local, .tally = &event->tally, .at_ns = event->time_ns
        };

        intake->closed_early[cookie % INTAKE_CLOSED_EARLY] = cookie;
        flow_table_for_socket(intake->flows, cookie, on_socket_closed, &closing);
        if (event->event.protocol == IPPROTO_UDP)
                leftovers_forget(intake->leftovers, &local);
}

static void on_hung_up(struct intake *intake, const struct steer_event_hung_up *event)
{
        const struct endpoint local = { from_steer(&event->local), event->event.local_port };
        const struct endpoint remote = { from_steer(&event->remote), event->remote_port };
        struct closing closing = { .intake = intake,
                                   .tally = &event->tally,
                                   .at_ns = event->time_ns };
        struct flow *flow = flow_table_find_tuple(intake->flows, IPPROTO_TCP, &local, &remote);

        if (flow && flow->direction == NX_DIRECTION_INBOUND && flow->started_ns < event->time_ns)
                on_socket_closed(flow, &closing);
}

static void on_event(const struct steer_event *event, void *userdata)
{
        struct intake *intake = userdata;

        switch (event->type) {
        case STEER_EVENT_ALLOWED:
        case STEER_EVENT_DENIED:
                on_decided_by_rules(intake, (const struct steer_event_decided *)event);
                break;
        case STEER_EVENT_CLOSED:
                on_closed(intake, (const struct steer_event_closed *)event);
                break;
        case STEER_EVENT_BOUND:
                groups_bound(intake->groups, event->local_port);
                break;
        case STEER_EVENT_UNASKED:
                groups_unasked(intake->groups,
                               &((const struct steer_event_unasked *)event)->member);
                break;
        case STEER_EVENT_HUNG_UP:
                on_hung_up(intake, (const struct steer_event_hung_up *)event);
                break;
        }
}

void events_end_flow(struct intake *intake, struct flow *flow)
{
        struct closing closing = { .intake = intake, .at_ns = now_ns() };

        on_socket_closed(flow, &closing);
}

/* Those who were in the midst of their connect() as events were lost get a pause to end it. */
static void look_for_lost_ends(struct intake *intake)
{
        uint64_t n_lost = hooks_state(intake->hooks)->counters.events_lost;

        if (intake->lost_ns && lost_find_ends(intake, intake->lost_ns) >= 0)
                intake->lost_ns = 0;
        if (n_lost != intake->n_lost)
                intake->lost_ns = now_ns();
        intake->n_lost = n_lost;
}

static int watch_ring(struct intake *intake);

static int on_pause_over(void *userdata)
{
        struct intake *intake = userdata;
        int n_read;

        n_read = hooks_read_events(intake->hooks, on_event, intake);
        show_decided(intake);
        look_for_lost_ends(intake);
        if (n_read <= 0 && list_is_empty(&intake->unshown) && !intake->lost_ns)
                return watch_ring(intake);
        loop_timer_start(intake->loop, &intake->events_timer, now_ns() + PAUSE_NS);
        return 0;
}

static int on_ring(uint32_t events, void *userdata)
{
        struct intake *intake = userdata;

        (void)hooks_read_events(intake->hooks, on_event, intake);
        loop_remove(intake->loop, &intake->events_io);
        loop_timer_start(intake->loop, &intake->events_timer, now_ns() + PAUSE_NS);
        return 0;
}

static int watch_ring(struct intake *intake)
{
        return loop_add(intake->loop, &intake->events_io, hooks_events_fd(intake->hooks), EPOLLIN,
                        on_ring, intake);
}

void events_catch_up(struct intake *intake)
{
        (void)hooks_read_events(intake->hooks, on_event, intake);
}

void events_init(struct intake *intake)
{
        intake->events_io = (struct loop_io)LOOP_IO_NULL;
        list_init(&intake->unplaced);
        list_init(&intake->unshown);
        loop_timer_init(&intake->events_timer, on_pause_over, intake);
}

int events_start(struct intake *intake)
{
        intake->n_lost = hooks_state(intake->hooks)->counters.events_lost;
        return watch_ring(intake);
}

void events_stop(struct intake *intake)
{
        loop_remove(intake->loop, &intake->events_io);
        loop_timer_stop(&intake->events_timer);
}
