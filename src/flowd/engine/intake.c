/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A held packet becomes a flow: whose is it (owner/, by the record that the hook left on
 * the socket), what did the rules say (that record again, or judged now), then into the
 * chain. A packet of a flow that is known joins it: a repeated SYN is one more packet to
 * release, not one more question.
 *
 * Two packets are of the same flow if their endpoints and their socket are; so a port that
 * is used again by another program is another flow. A datagram that comes in can also be of a flow
 * that a program here began: an answer, after so long a silence that the kernel has forgotten it.
 *
 * A datagram to a group is of as many flows as there are sockets that it reaches (engine/groups.h).
 *
 * Packets are read in step with the providers: a batch, the answers about it, the next batch. What
 * comes meanwhile gathers, and shares one wake-up of ours, one of the provider's, and one message
 * each way. Who owes an answer for longer than PATIENCE_NS is not waited for.
 */

#include <arpa/nameser.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/interface.h"
#include "base/log.h"
#include "chain/quota.h"
#include "digest/digests.h"
#include "flow/packet.h"
#include "engine/events.h"
#include "engine/groups.h"
#include "engine/intake.h"
#include "engine/line.h"
#include "engine/resolvers.h"
#include "names/answer.h"
#include "steer/passed.h"
#include "steer/receivers.h"

#define NS_PER_S            1000000000ULL
#define PATIENCE_NS         (4 * 1000000ULL)
#define UNATTRIBUTED_FOR_NS (5 * 1000000000ULL) /* how long equal endpoints mean the same flow */

static struct steer_address to_steer(const struct in6_addr *address)
{
        struct steer_address steer;

        memcpy(&steer, address, sizeof(steer));
        return steer;
}

/* An extension said that the socket carries a flow on, and the kernel knows that it may. */
static void set_origin(struct intake *intake, struct flow *flow, const struct steer_owner *owner)
{
        struct flow *origin = flow_table_find(intake->flows, owner->origin_flow);

        flow->origin_flow = owner->origin_flow;
        flow->skip_slots = owner->skip_slots;
        flow->egress = owner->egress;
        flow->origin_cgroup_id = origin ? origin->cgroup_id : 0;
        flow->origin_uid = origin ? origin->uid : ~0U;
        if (origin && origin->process)
                flow->origin = owners_get_process(intake->owners, &origin->process->key);
}

/* A program that was executed later is another one, if in the same process. */
static void set_creator(struct intake *intake, struct flow *flow, const struct steer_owner *owner)
{
        struct steer_process_key creator;

        if (hooks_find_creator(intake->hooks, owner->cookie, &creator) &&
            memcmp(&creator, &owner->process, sizeof(creator)) != 0)
                flow->creator = owners_get_user(intake->owners, &creator);
}

/* By the name that it has now: it can be gone before somebody looks at the record. */
static void set_interface(struct flow *flow, uint32_t interface)
{
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        flow->interface = interface;
        interface_name(fd, interface, flow->bound_to);
}

void intake_set_owner(struct intake *intake, struct flow *flow, const struct steer_owner *owner)
{
        flow->owner = (enum wire_owner)owner->kind;
        flow->is_owner_holder = owner->is_holder;
        flow->uid = owner->uid;
        flow->cgroup_id = owner->cgroup_id;
        flow->socket_cookie = owner->cookie;
        flow->started_ns = owner->time_ns;
        if (flow->owner == WIRE_OWNER_PROGRAM) {
                flow->process = owners_get_process(intake->owners, &owner->process);
                intake->counters.nameless += !flow->process;
        }
        if (flow->process && hooks_state(intake->hooks)->digest_slots)
                digests_recall(intake->chain->digests, flow->process);
        set_creator(intake, flow, owner);
        if (owner->origin_flow)
                set_origin(intake, flow, owner);
        if (owner->interface && flow->direction == NX_DIRECTION_OUTBOUND)
                set_interface(flow, owner->interface);
}

/* What a held packet says, turned so that this host is the local end; and whose it is. */
struct arrival {
        uint8_t protocol;
        enum nx_direction direction;
        struct endpoint local, remote;
        uint32_t sequence;  /* of an inbound connection's first segment … */
        uint32_t interface; /* … which came in through it; 0: and has to stay there */
        bool is_stray;      /* of a delivered flow whose socket was not there */
        struct gathering *gathering; /* of a datagram to a group; else NULL */
        const uint8_t *payload; /* of a datagram, as far as it was copied … */
        size_t payload_size;    /* … or nothing */
        enum steer_found found;
        const struct steer_owner *owner; /* without a cookie unless found is STEER_FOUND_OWNER */
};

static bool is_of_these_rules(struct intake *intake, const struct flow *flow)
{
        return flow->verdict == NX_VERDICT_NONE || flow->delivery ||
               flow->judged.generation == hooks_state(intake->hooks)->generation;
}

/* Its datagrams can be on their way to us. Those that come later are another flow's. */
static bool was_ended_just_now(const struct flow *flow)
{
        return now_ns() - flow->closed_ns < PASSED_SECONDS * NS_PER_S;
}

/* A connection that came in has no socket yet: a repeated first segment is known by its number. */
static bool is_same_visit(struct intake *intake, const struct flow *flow, uint32_t sequence)
{
        return flow->direction == NX_DIRECTION_INBOUND && flow->sequence == sequence &&
               is_of_these_rules(intake, flow);
}

/* What was denied or ended stays so for as long as the kernel remembers what was not. */
static bool is_same_call(struct intake *intake, const struct flow *flow, uint64_t cookie)
{
        if (flow->direction != NX_DIRECTION_INBOUND || flow->socket_cookie != cookie ||
            !is_of_these_rules(intake, flow))
                return false;
        if (flow->verdict == NX_VERDICT_NONE)
                return true;
        if (flow_was_ended(flow))
                return was_ended_just_now(flow);
        if (flow->verdict == NX_VERDICT_ALLOW)
                return !flow->closed_ns;
        return now_ns() - flow->decided_ns < PASSED_SECONDS * NS_PER_S;
}

/* Is what comes from its other end an answer to the program that began it? */
static bool is_answered(const struct flow *flow, uint64_t cookie)
{
        return flow->direction == NX_DIRECTION_OUTBOUND && flow->socket_cookie == cookie &&
               flow->verdict == NX_VERDICT_ALLOW && !flow->closed_ns && !flow->is_delivered;
}

static bool is_same_outbound(struct intake *intake, const struct flow *flow, uint64_t cookie,
                             uint64_t started_ns)
{
        if (flow->direction != NX_DIRECTION_OUTBOUND)
                return false;
        if (cookie == 0 && flow_was_ended(flow) && flow->protocol == IPPROTO_UDP)
                return was_ended_just_now(flow); /* which took its socket away from the datagram */
        if (flow->socket_cookie != cookie)
                return false;
        if (flow->verdict == NX_VERDICT_NONE || flow->delivery)
                return true;
        if (flow_was_ended(flow))
                return was_ended_just_now(flow);
        if (flow->is_delivered && flow->protocol == IPPROTO_UDP)
                return false; /* what carried it is gone */
        if (flow->judged.generation != hooks_state(intake->hooks)->generation)
                return false;
        if (cookie == 0)
                return now_ns() - flow->started_ns < UNATTRIBUTED_FOR_NS;
        return flow->protocol == IPPROTO_UDP || flow->started_ns == started_ns;
}

static bool is_same_flow(struct intake *intake, const struct flow *flow,
                         const struct arrival *arrival)
{
        uint64_t cookie = arrival->owner->cookie;

        if (arrival->direction == NX_DIRECTION_INBOUND && arrival->protocol == IPPROTO_UDP)
                return is_same_call(intake, flow, cookie) || is_answered(flow, cookie);
        if (arrival->direction == NX_DIRECTION_INBOUND)
                return is_same_visit(intake, flow, arrival->sequence);
        return is_same_outbound(intake, flow, cookie, arrival->owner->time_ns);
}

/* The kernel has no room in its set of flows that passed: it would not ask so soon again. */
static bool is_without_place(const struct flow *flow)
{
        uint64_t age_ns = now_ns() - flow->decided_ns;

        return flow->protocol == IPPROTO_UDP && flow->verdict == NX_VERDICT_ALLOW &&
               !flow->is_delivered && !flow->closed_ns && age_ns > NS_PER_S &&
               age_ns < (PASSED_SECONDS - 1) * NS_PER_S;
}

static void hold_or_release(struct intake *intake, struct flow *flow, bool is_stray,
                            struct queue_held held)
{
        bool is_in_line;

        flow->is_stray |= is_stray;
        is_in_line = line_take(intake, flow, held);
        if (flow->verdict != NX_VERDICT_NONE || flow->is_delivered) {
                intake->counters.asked_again += !is_in_line && is_without_place(flow);
                chain_release(intake->chain, flow, held);
        } else if (flow->n_held < FLOW_HELD_MAX && quota_hold(intake->chain->quota, flow)) {
                flow->held[flow->n_held++] = held;
        } else {
                intake->counters.packets_over_limit++;
                queue_decide(intake->queue, held, MARK_DROP);
        }
}

/* A program can send and be gone before its packet is read: the end comes first then. */
static bool was_closed_early(struct intake *intake, uint64_t cookie)
{
        return cookie && intake->closed_early[cookie % INTAKE_CLOSED_EARLY] == cookie;
}

/* Who listens is another socket than the one that a connection will have. */
static void set_server(struct intake *intake, struct flow *flow, const struct steer_owner *owner)
{
        struct steer_owner server = *owner;

        server.origin_flow = 0; /* what it may have carried on is not what comes in */
        intake_set_owner(intake, flow, &server);
        if (flow->protocol == IPPROTO_TCP)
                flow->socket_cookie = 0;
        flow->started_ns = 0;
}

static void on_unattributed(struct intake *intake)
{
        intake->counters.unattributed++;
        intake->owner_missing(intake->userdata);
}

/* A datagram of a flow that was found open: from now on it is a flow like others. */
static void supersede_older(struct intake *intake, const struct flow *flow)
{
        struct flow *older = flow_table_find_socket(intake->flows, flow->socket_cookie);

        if (flow->socket_cookie && older && older->is_older && !older->closed_ns &&
            endpoint_equal(&older->remote, &flow->remote))
                flow_table_forget(intake->flows, older);
}

/* There is no room to wait for an answer. Nothing would tell that it is over, so it passes by the
 * packet. */
static void decide_without_record(struct intake *intake, const struct arrival *arrival,
                                  const struct steer_outcome *outcome, struct queue_held held)
{
        bool is_denied = outcome->verdict == STEER_DENY;

        intake->counters.table_full++;
        if (outcome->verdict == STEER_ASK) {
                intake->counters.fallbacks++;
                is_denied = chain_closed_session(intake->chain, outcome->ask_slots) != NULL;
        }
        if (arrival->gathering)
                hooks_set_member(intake->hooks, arrival->owner->cookie, &arrival->local,
                                 &arrival->remote, !is_denied);
        else
                queue_decide(intake->queue, held, is_denied ? MARK_REFUSE : MARK_PASS_ONCE);
}

/* held: its packet; of a datagram to a group, which others wait for as well, none. */
static void on_new_flow(struct intake *intake, const struct arrival *arrival,
                        struct queue_held held)
{
        const struct steer_owner *owner =
                arrival->found == STEER_FOUND_OWNER ? arrival->owner : NULL;
        bool is_inbound = arrival->direction == NX_DIRECTION_INBOUND;
        uint32_t generation = hooks_state(intake->hooks)->generation;
        struct steer_outcome outcome;
        struct flow model = {
                .newest_session = intake->chain->last_activation,
                .protocol = arrival->protocol,
                .direction = arrival->direction,
                .local = arrival->local,
                .remote = arrival->remote,
                .sequence = arrival->sequence,
                .is_stray = arrival->is_stray,
                .interface = arrival->interface,
                .is_for_group = arrival->gathering,
                .gathering = arrival->gathering,
                .n_held = !arrival->gathering,
                .held = { held },
        };
        struct flow *flow;

        if (arrival->gathering)
                model.socket_cookie = arrival->owner->cookie;
        else
                (void)line_take(intake, &model, held);
        if (arrival->found == STEER_FOUND_KERNEL)
                model.owner = WIRE_OWNER_KERNEL;
        else if (!owner)
                on_unattributed(intake);
        else if (is_inbound)
                set_server(intake, &model, owner);
        else
                intake_set_owner(intake, &model, owner);
        if (!is_inbound && model.protocol == IPPROTO_UDP && model.remote.port == NAMESERVER_PORT)
                resolvers_take(intake->resolvers, &model, arrival->payload, arrival->payload_size);
        if (!model.started_ns || model.protocol == IPPROTO_UDP)
                model.started_ns = now_ns();
        if (was_closed_early(intake, model.socket_cookie))
                model.closed_ns = now_ns();
        if (owner && !is_inbound && owner->outcome.generation == generation)
                outcome = owner->outcome;
        else
                chain_judge(intake->chain, &model, &outcome);
        supersede_older(intake, &model);
        flow = flow_table_add(intake->flows, &model);
        if (!flow) {
                decide_without_record(intake, arrival, &outcome, held);
                return;
        }
        if (flow->gathering)
                flow->gathering->n_undecided++;
        chain_enter(intake->chain, flow, &outcome);
}

/* NULL: the packet is a new one's first. Where a stray's is new, the kernel forgets the old way. */
static struct flow *find_flow(struct intake *intake, const struct arrival *arrival)
{
        struct flow *flow = flow_table_find_tuple(intake->flows, arrival->protocol, &arrival->local,
                                                  &arrival->remote);

        if (flow && flow->delivery && arrival->is_stray)
                intake->flow_strayed(flow, intake->userdata);
        if (flow && is_same_flow(intake, flow, arrival))
                return flow;
        if (arrival->is_stray)
                passed_forget(intake->passed, &arrival->local, &arrival->remote);
        return NULL;
}

/* What is bound to an interface, or has addresses that mean something there only, stays on it. */
static bool can_be_visited(const struct steer_lookup *lookup, const struct arrival *arrival)
{
        return !lookup->is_bound && !IN6_IS_ADDR_LINKLOCAL(&arrival->local.address) &&
               !IN6_IS_ADDR_LINKLOCAL(&arrival->remote.address);
}

static struct arrival arrival_of(const struct packet *packet, bool is_inbound)
{
        return (struct arrival){
                .protocol = packet->protocol,
                .direction = is_inbound ? NX_DIRECTION_INBOUND : NX_DIRECTION_OUTBOUND,
                .local = is_inbound ? packet->destination : packet->source,
                .remote = is_inbound ? packet->source : packet->destination,
                .sequence = is_inbound ? packet->sequence : 0,
                .payload = packet->payload,
                .payload_size = packet->payload_size,
        };
}

static struct steer_lookup lookup_of(const struct arrival *arrival, uint32_t interface)
{
        return (struct steer_lookup){
                .local = to_steer(&arrival->local.address),
                .remote = to_steer(&arrival->remote.address),
                .local_port = arrival->local.port,
                .remote_port = arrival->remote.port,
                .protocol = arrival->protocol,
                .is_inbound = arrival->direction == NX_DIRECTION_INBOUND,
                .interface = interface,
        };
}

/* Of the packets that are read at once those that are asked about; the kernel is asked for all. */
struct batch {
        size_t n;
        struct queue_held held[QUEUE_BATCH];
        struct arrival arrivals[QUEUE_BATCH];
        struct steer_lookup lookups[QUEUE_BATCH];
};

/* A member that was let in stays in, also when the rules change, for as long as it is not idle. */
static bool is_same_member(struct intake *intake, const struct flow *flow, uint64_t cookie)
{
        return (flow->verdict == NX_VERDICT_ALLOW && !flow->closed_ns) ||
               is_same_call(intake, flow, cookie);
}

/* Of a tunnel, which has it before anybody could keep it from the socket. */
static bool is_kernels(struct intake *intake, const struct arrival *arrival, uint32_t interface)
{
        struct steer_lookup lookup = lookup_of(arrival, interface);

        hooks_look_up(intake->hooks, &lookup, 1);
        return lookup.found == STEER_FOUND_KERNEL;
}

struct search {
        struct intake *intake;
        struct gathering *gathering;
};

/* One of the sockets that a datagram to a group reaches. */
static void on_receiver(const struct receiver *receiver, void *userdata)
{
        const struct search *search = userdata;
        const struct steer_owner nobody = { .cookie = receiver->cookie };
        struct intake *intake = search->intake;
        struct arrival arrival = {
                .protocol = IPPROTO_UDP,
                .direction = NX_DIRECTION_INBOUND,
                .local = search->gathering->group,
                .remote = search->gathering->sender,
                .gathering = search->gathering,
                .found = receiver->owner ? STEER_FOUND_OWNER : STEER_FOUND_SOCKET,
                .owner = receiver->owner ? receiver->owner : &nobody,
        };
        struct flow *flow;

        if (!receiver->owner && !hooks_owns_cgroup(intake->hooks, receiver->cgroup_id) &&
            !groups_is_ours(intake->groups, receiver->cookie))
                return;
        if (!receiver->owner && is_kernels(intake, &arrival, search->gathering->interface))
                arrival.found = STEER_FOUND_KERNEL;
        flow = flow_table_find_member(intake->flows, receiver->cookie, &arrival.local,
                                      &arrival.remote);
        if (!flow || !is_same_member(intake, flow, receiver->cookie))
                on_new_flow(intake, &arrival, (struct queue_held){});
        else if (flow->verdict != NX_VERDICT_NONE)
                groups_admit(intake->groups, flow);
}

/* Where the kernel does not tell them, nobody gets the datagram: each would have to be admitted. */
void intake_look_for_members(struct gathering *gathering, void *userdata)
{
        struct intake *intake = userdata;
        struct search search = { .intake = intake, .gathering = gathering };
        const struct receivers_question question = {
                .group = gathering->group,
                .sender = gathering->sender,
                .interface = gathering->interface,
        };
        int r;

        r = receivers_list(intake->hooks, &question, on_receiver, &search);
        if (r < 0)
                log_error("the sockets that a datagram is for cannot be listed: %s", strerror(-r));
}

static void take_undecided(struct intake *intake, const struct queue_packet *bytes,
                           struct batch *batch)
{
        struct queue_held held = { .id = bytes->id, .mark = bytes->mark };
        struct arrival arrival;
        struct packet packet;

        hooks_state(intake->hooks)->last_packet = bytes->id;
        if (packet_parse(bytes->bytes, bytes->size, &packet) < 0) {
                intake->counters.packets_unreadable++;
                queue_decide(intake->queue, held, MARK_DROP);
                return;
        }
        if (bytes->is_for_group) {
                if (!groups_hold(intake->groups, &packet.destination, &packet.source,
                                 bytes->interface, held)) {
                        intake->counters.packets_over_limit++;
                        queue_decide(intake->queue, held, MARK_DROP);
                }
                return;
        }
        if (bytes->is_stray && packet.protocol == IPPROTO_TCP) {
                queue_decide(intake->queue, held, MARK_CLAIMED); /* see steer/ruleset.c */
                return;
        }
        arrival = arrival_of(&packet, bytes->is_inbound);
        arrival.is_stray = bytes->is_stray;
        batch->held[batch->n] = held;
        batch->arrivals[batch->n] = arrival;
        batch->lookups[batch->n] = lookup_of(&arrival, bytes->interface);
        if (!bytes->is_inbound)
                batch->lookups[batch->n].sequence = packet.sequence;
        batch->n++;
}

static void on_arrival(struct intake *intake, struct arrival *arrival,
                       const struct steer_lookup *lookup, struct queue_held held)
{
        bool is_inbound = arrival->direction == NX_DIRECTION_INBOUND;
        struct flow *flow;

        arrival->found = lookup->found;
        arrival->owner = &lookup->owner;
        if (is_inbound && can_be_visited(lookup, arrival))
                arrival->interface = lookup->interface;
        flow = find_flow(intake, arrival);
        if (flow)
                hold_or_release(intake, flow, arrival->is_stray, held);
        else if (is_inbound && arrival->found == STEER_FOUND_NOTHING)
                queue_decide(intake->queue, held, MARK_PASS); /* none of ours: the kernel answers */
        else
                on_new_flow(intake, arrival, held);
}

static void on_address(const char *name, const struct in6_addr *address, uint32_t ttl_s,
                       void *userdata)
{
        struct intake *intake = userdata;

        names_learn(intake->names, name, address, ttl_s);
}

/* The program gets the answer only when its names are known: a rule may need them next. */
static void on_answer(struct intake *intake, const struct queue_packet *bytes)
{
        struct packet packet;

        hooks_state(intake->hooks)->last_answer = bytes->id;
        if (packet_parse(bytes->bytes, bytes->size, &packet) >= 0)
                (void)answer_parse(packet.payload, packet.payload_size, on_address, intake);
        queue_release_answer(intake->queue, (struct queue_held){ bytes->id, bytes->mark });
}

static void on_packets(const struct queue_packet *packets, size_t n, void *userdata)
{
        struct intake *intake = userdata;
        struct batch batch;

        batch.n = 0;
        for (size_t i = 0; i < n; i++)
                if (packets[i].is_answer)
                        on_answer(intake, &packets[i]);
                else
                        take_undecided(intake, &packets[i], &batch);
        hooks_look_up(intake->hooks, batch.lookups, batch.n);
        for (size_t i = 0; i < batch.n; i++)
                on_arrival(intake, &batch.arrivals[i], &batch.lookups[i], batch.held[i]);
}

static int on_queue(uint32_t events, void *userdata)
{
        struct intake *intake = userdata;

        intake->has_read = true;
        return queue_receive(intake->queue, on_packets, intake);
}

/* The end of this round goes on. */
static int on_patience_over(void *userdata)
{
        return 0;
}

void intake_go_on(struct intake *intake)
{
        if (!intake->has_read)
                return;
        if (chain_is_thinking(intake->chain, PATIENCE_NS)) {
                if (list_is_empty(&intake->patience_timer.link))
                        loop_timer_start(intake->loop, &intake->patience_timer,
                                         now_ns() + PATIENCE_NS);
                return;
        }
        loop_timer_stop(&intake->patience_timer);
        intake->has_read = false;
        (void)loop_modify(intake->loop, &intake->queue_io, EPOLLIN | EPOLLONESHOT);
}

void intake_init(struct intake *intake)
{
        intake->queue_io = (struct loop_io)LOOP_IO_NULL;
        loop_timer_init(&intake->patience_timer, on_patience_over, intake);
        events_init(intake);
}

int intake_start(struct intake *intake)
{
        int r;

        r = events_start(intake);
        if (r < 0)
                return r;
        return loop_add(intake->loop, &intake->queue_io, queue_fd(intake->queue),
                        EPOLLIN | EPOLLONESHOT, on_queue, intake);
}

void intake_stop(struct intake *intake)
{
        loop_remove(intake->loop, &intake->queue_io);
        loop_timer_stop(&intake->patience_timer);
        events_stop(intake);
}
