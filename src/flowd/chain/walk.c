/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The way of one flow, from what the rules said to the mark on its packets:
 *
 *      chain_enter → chain_advance → session_ask … chain_answer → chain_advance → … → decide
 *                                              └─ chain_fall_back ─┘
 *
 * or, where a proxy claims it, chain_answer → claim … chain_open → decide; what happens
 * between the two is deliver/delivery.c.
 *
 * A flow that waited for a provider to start is judged again: its rules are known now.
 *
 * The reason that a flow keeps is that of the session that ended its walk; where all
 * allowed it, that of the last one asked, except that a fail policy once applied stays
 * visible.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/interface.h"
#include "base/loop.h"
#include "chain/again.h"
#include "chain/chain.h"
#include "chain/ending.h"
#include "chain/identify.h"
#include "chain/loops.h"
#include "chain/quota.h"
#include "chain/settings.h"
#include "chain/successor.h"
#include "flow/table.h"
#include "owner/owner.h"
#include <netext/proxy.h>
#include "steer/hooks.h"
#include "steer/queue.h"
#include "steer/route.h"

#define NS_PER_S 1000000000ULL

_Static_assert(NX_EGRESS_NEXT == (int)STEER_EGRESS_NEXT, "one set of numbers");
_Static_assert(NX_EGRESS_DIRECT == (int)STEER_EGRESS_DIRECT, "one set of numbers");
_Static_assert(NX_EGRESS_TUNNEL == (int)STEER_EGRESS_TUNNEL, "one set of numbers");

static enum mark mark_of(const struct flow *flow)
{
        if (flow_was_ended(flow))
                return MARK_REFUSE;
        if (flow->is_delivered && flow->direction == NX_DIRECTION_OUTBOUND)
                return MARK_CLAIMED;
        if (flow->is_delivered && flow_is_call(flow) && flow->verdict == NX_VERDICT_ALLOW)
                return MARK_WATCHED;
        switch (flow->verdict) {
        case NX_VERDICT_ALLOW:
                return flow->closed_ns ? MARK_PASS_ONCE : MARK_PASS;
        case NX_VERDICT_CLAIM:
                return MARK_CLAIMED;
        case NX_VERDICT_DROP:
                return MARK_DROP;
        default:
                break;
        }
        if (flow->error == -ENETUNREACH)
                return MARK_NO_NETWORK;
        return flow->error == -EHOSTUNREACH ? MARK_NO_HOST : MARK_REFUSE;
}

void chain_release(struct chain *chain, const struct flow *flow, struct queue_held held)
{
        enum mark mark = mark_of(flow);

        if (mark == MARK_PASS && queue_is_lined(chain->queue, held))
                mark = MARK_PASS_LINED;
        queue_decide(chain->queue, held, mark);
}

void chain_release_held(struct chain *chain, struct flow *flow)
{
        for (unsigned int i = 0; i < flow->n_held; i++)
                chain_release(chain, flow, flow->held[i]);
        quota_release(flow);
        flow->n_held = 0;
}

void chain_count(struct chain *chain, const struct flow *flow)
{
        const struct steer_outcome *judged = &flow->judged;
        struct session *session = chain_session(chain, judged->slot);

        if (session && session->rules &&
            (judged->reason == STEER_REASON_RULE || judged->reason == STEER_REASON_DEFAULT))
                settings_count(session->rules, judged);
}

static void decide(struct chain *chain, struct flow *flow, enum nx_verdict verdict)
{
        if (flow->is_judged_again) {
                again_decided(chain, flow, verdict);
                return;
        }
        if (flow->verdict == NX_VERDICT_NONE)
                chain_count(chain, flow);
        if (flow->closed_ns && flow->was_queued)
                ending_forget(chain, flow); /* nobody tells once more that its socket is gone */
        flow->verdict = verdict;
        flow->decided_ns = now_ns();
        flow->waits_for = NULL;
        list_remove(&flow->waiting);
        if (verdict == NX_VERDICT_ALLOW && flow_is_call(flow) && !flow->is_for_group)
                hooks_admit_caller(chain->hooks, &flow->local, &flow->remote);
        chain_release_held(chain, flow);
        quota_leave(chain->quota, flow);
        if (flow->delivery && verdict != NX_VERDICT_ALLOW && verdict != NX_VERDICT_CLAIM)
                chain->deliverer->deny(flow);
        if (verdict != NX_VERDICT_ALLOW && verdict != NX_VERDICT_CLAIM) {
                successor_inspectors_over(chain, flow);
                flow_table_close(chain->flows, flow, flow->decided_ns);
        } else if (flow->closed_ns) /* the program did not wait for it */
                flow_table_close(chain->flows, flow, flow->closed_ns);
        chain->listener.flow_decided(flow, chain->listener.userdata);
}

static void note(struct flow *flow, const struct session *session, enum wire_reason reason,
                 const char *rule)
{
        flow->reason = reason;
        flow->decided_by[0] = '\0';
        if (session)
                memcpy(flow->decided_by, session->name, sizeof(flow->decided_by));
        strncpy(flow->rule, rule, sizeof(flow->rule) - 1);
}

enum wire_reason chain_reason(const struct steer_outcome *outcome)
{
        static const enum wire_reason reasons[] = {
                [STEER_REASON_NONE] = WIRE_REASON_NO_FILTER,
                [STEER_REASON_RULE] = WIRE_REASON_RULE,
                [STEER_REASON_DEFAULT] = WIRE_REASON_DEFAULT_ACTION,
                [STEER_REASON_LOOPBACK] = WIRE_REASON_LOOPBACK,
                [STEER_REASON_KERNEL] = WIRE_REASON_KERNEL_OWNER,
                [STEER_REASON_OWN_TRAFFIC] = WIRE_REASON_OWN_TRAFFIC,
                [STEER_REASON_CARRIED] = WIRE_REASON_CARRIED,
                [STEER_REASON_DIRECT] = WIRE_REASON_DIRECT,
                [STEER_REASON_REMEMBERED] = WIRE_REASON_REMEMBERED,
                [STEER_REASON_NOT_ASKABLE] = WIRE_REASON_NOT_ASKABLE,
        };

        return outcome->reason < ARRAY_SIZE(reasons) ? reasons[outcome->reason] : WIRE_REASON_NONE;
}

struct session *chain_closed_session(struct chain *chain, uint64_t ask_slots)
{
        for (size_t i = 0; i < chain->n_sessions; i++)
                if (ask_slots >> chain->order[i]->slot & 1 && !session_falls_open(chain->order[i]))
                        return chain->order[i];
        return NULL;
}

/* NULL: none did, or none alone. */
static struct session *who_decided(struct chain *chain, const struct steer_outcome *outcome)
{
        switch (chain_reason(outcome)) {
        case WIRE_REASON_RULE:
        case WIRE_REASON_DEFAULT_ACTION:
        case WIRE_REASON_LOOPBACK:
        case WIRE_REASON_REMEMBERED:
                return chain_session(chain, outcome->slot);
        case WIRE_REASON_NOT_ASKABLE:
                return chain_closed_session(chain, outcome->ask_slots);
        default:
                return NULL;
        }
}

void chain_note_outcome(struct chain *chain, struct flow *flow, const struct steer_outcome *outcome)
{
        struct session *session = who_decided(chain, outcome);
        enum wire_reason reason = chain_reason(outcome);

        flow->judged = *outcome;
        note(flow, session, reason, session ? settings_label(session->rules, outcome) : "");
}

struct process *chain_program(const struct flow *flow)
{
        return flow->origin_flow ? flow->origin : flow->process;
}

uint32_t chain_user(const struct flow *flow)
{
        if (flow->owner == WIRE_OWNER_UNATTRIBUTED)
                return ~0U;
        return flow->origin_flow ? flow->origin_uid : flow->uid;
}

static uint64_t digest_of(const struct flow *flow)
{
        const struct process *program = chain_program(flow);

        return program && !flow->has_no_digest ? program->digest : STEER_DIGEST_NONE;
}

static struct steer_question question_about(const struct flow *flow)
{
        const struct process *program = chain_program(flow);
        struct steer_question question = {
                .remote_port = flow->remote.port,
                .local_port = flow->local.port,
                .protocol = flow->protocol,
                .direction = (uint8_t)flow->direction,
                .kind = (uint8_t)flow->owner,
                .uid = chain_user(flow),
                .process = program ? program->key : (struct steer_process_key){},
                .path_hash = program ? program->path_hash : 0,
                .digest = digest_of(flow),
                .cgroup_id = flow->origin_flow ? flow->origin_cgroup_id : flow->cgroup_id,
                .skip_slots = flow->skip_slots,
                .egress = (uint8_t)flow->egress,
        };

        memcpy(&question.remote, &flow->remote.address, sizeof(question.remote));
        memcpy(&question.local, &flow->local.address, sizeof(question.local));
        return question;
}

void chain_judge(struct chain *chain, const struct flow *flow, struct steer_outcome *ret_outcome)
{
        const struct steer_question question = question_about(flow);

        if (hooks_judge(chain->hooks, &question, ret_outcome) < 0)
                *ret_outcome = (struct steer_outcome){ .verdict = STEER_ASK, .ask_slots = ~0ULL };
}

/* Where it cannot be kept the filter is asked again. */
void chain_remember(struct chain *chain, const struct session *session, const struct flow *flow,
                    enum nx_verdict verdict, uint32_t seconds)
{
        enum steer_action action = verdict == NX_VERDICT_ALLOW ? STEER_ALLOW : STEER_DENY;
        const struct steer_question question = question_about(flow);

        (void)hooks_remember(chain->hooks, session->slot, &question, action,
                             now_ns() + seconds * NS_PER_S);
}

const char *chain_asking_rule(struct chain *chain, const struct session *session,
                              const struct flow *flow)
{
        struct steer_question question;
        struct steer_outcome outcome;

        if (!session->rules || !session->rules->has_asking_labels)
                return "";
        question = question_about(flow);
        question.only = (uint8_t)(session->slot + 1);
        if (hooks_judge(chain->hooks, &question, &outcome) < 0 || outcome.verdict != STEER_ASK)
                return "";
        return settings_label(session->rules, &outcome);
}

void chain_enter(struct chain *chain, struct flow *flow, const struct steer_outcome *outcome)
{
        chain_note_outcome(chain, flow, outcome);
        flow->hops = loop_hops(chain, flow);
        if (outcome->verdict == STEER_DENY)
                decide(chain, flow, NX_VERDICT_REFUSE);
        else if (outcome->wants_digest)
                identify_flow(chain, flow);
        else
                chain_advance(chain, flow);
}

/* A proxy gets its flows through their programs' sockets as they begin: what has none that we know,
 * and what others began, goes past it. */
static bool can_be_asked(const struct session *session, const struct flow *flow)
{
        if (!session_is_proxy(session))
                return session_is_about_flows(session);
        return flow->direction == NX_DIRECTION_OUTBOUND && flow->socket_cookie != 0 &&
               !flow->is_judged_again;
}

/* What a socket need not pass again that carries on a flow which came as far as session. */
static uint64_t passed_slots(const struct chain *chain, const struct session *session)
{
        uint64_t slots = 0;

        for (size_t i = 0; i < chain->n_sessions; i++) {
                slots |= 1ULL << chain->order[i]->slot;
                if (chain->order[i]->slot == session->slot)
                        break;
        }
        return slots;
}

void chain_grant(struct chain *chain, const struct session *session, const struct flow *flow)
{
        const struct process *program = chain_program(flow);
        struct steer_grant grant = {
                .origin_flow = flow->origin_flow ? flow->origin_flow : flow->id,
                .skip_slots = flow->skip_slots | passed_slots(chain, session),
                .process = program ? program->key : (struct steer_process_key){},
                .path_hash = program ? program->path_hash : 0,
                .digest = digest_of(flow),
                .cgroup_id = flow->origin_flow ? flow->origin_cgroup_id : flow->cgroup_id,
                .uid = chain_user(flow),
                .kind = (uint32_t)flow->owner,
        };

        hooks_grant(chain->hooks, flow->id, session->cgroup_id, &grant);
}

/* The walk is over, and nobody objects. */
static void pass(struct chain *chain, struct flow *flow)
{
        if (!flow->delivery && flow->n_inspectors == 0 && !flow->is_stray)
                decide(chain, flow, NX_VERDICT_ALLOW);
        else if (chain->deliverer->go_direct(chain->deliveries, flow) < 0)
                decide(chain, flow, NX_VERDICT_REFUSE);
}

void chain_advance(struct chain *chain, struct flow *flow)
{
        for (size_t i = 0; i < chain->n_sessions; i++) {
                struct session *session = chain->order[i];
                uint64_t bit = 1ULL << session->slot;

                if (!(flow->judged.ask_slots & bit) || flow->asked_slots & bit ||
                    !can_be_asked(session, flow))
                        continue;
                flow->asked_slots |= bit;
                if (session_is_proxy(session) && loop_is_closed(chain, flow)) {
                        note(flow, session, WIRE_REASON_LOOP, "");
                        loop_report(chain, flow);
                        decide(chain, flow, NX_VERDICT_REFUSE);
                        return;
                }
                if (!flow->waits_for && !flow->is_judged_again) {
                        if (!quota_wait(chain->quota, flow)) {
                                chain_fall_back(chain, session, flow, WIRE_REASON_PROGRAM_QUOTA);
                                return;
                        }
                        chain->listener.flow_held(flow, chain->listener.userdata);
                }
                flow->waits_for = session;
                session_ask(session, flow);
                return;
        }
        pass(chain, flow);
}

/* Its packets can be routed to us over lo. */
static bool is_deliverable(const struct flow *flow)
{
        return flow->socket_cookie != 0 && flow->interface <= LOOPBACK_INDEX;
}

/* 0, or why not. */
static int can_deliver(struct chain *chain, const struct flow *flow)
{
        if (!is_deliverable(flow))
                return -EOPNOTSUPP;
        return quota_may_deliver(chain->quota, flow) ? 0 : -EDQUOT;
}

static enum wire_reason why_undelivered(int error)
{
        if (error == -EOPNOTSUPP)
                return WIRE_REASON_NOT_INSPECTABLE;
        return error == -EDQUOT ? WIRE_REASON_PROGRAM_QUOTA : WIRE_REASON_TABLE_FULL;
}

/* session wants what cannot be had; its library does not wait for it. */
static void fall_back_undelivered(struct chain *chain, struct session *session, struct flow *flow,
                                  int error)
{
        session_tell_closed(session, flow, &(struct session_flow_end){ .error = error });
        chain_fall_back(chain, session, flow, why_undelivered(error));
}

/* The flow is the proxy's. Its packets wait until the proxy has a way to the destination. */
static void claim(struct chain *chain, struct session *session, struct flow *flow)
{
        int r = can_deliver(chain, flow);

        flow->waits_for = NULL;
        if (r >= 0) {
                list_append(&session->opening, &flow->waiting);
                r = chain->deliverer->claim(chain->deliveries, flow, session);
        }
        if (r < 0)
                fall_back_undelivered(chain, session, flow, r);
}

static void decline(struct chain *chain, struct session *session, struct flow *flow)
{
        if (session->kind == NX_PROVIDER_KIND_TRANSPARENT_PROXY) {
                chain_advance(chain, flow);
                return;
        }
        note(flow, session, WIRE_REASON_DECLINED, "");
        decide(chain, flow, NX_VERDICT_REFUSE);
}

void chain_answer(struct chain *chain, struct session *session, struct flow *flow,
                  enum nx_verdict verdict, enum wire_reason reason, const char *rule)
{
        bool goes_on = verdict == NX_VERDICT_ALLOW || verdict == NX_VERDICT_DECLINE;

        list_remove(&flow->waiting);
        if (!goes_on || !wire_reason_is_fallback(flow->reason))
                note(flow, session, reason, rule);
        if (verdict == NX_VERDICT_ALLOW)
                chain_advance(chain, flow);
        else if (verdict == NX_VERDICT_DECLINE)
                decline(chain, session, flow);
        else if (verdict == NX_VERDICT_CLAIM)
                claim(chain, session, flow);
        else
                decide(chain, flow, verdict);
}

void chain_peek(struct chain *chain, struct session *session, struct flow *flow, uint32_t n_bytes,
                uint32_t timeout_ms)
{
        int r = can_deliver(chain, flow);

        list_remove(&flow->waiting);
        if (r >= 0)
                r = chain->deliverer->peek(chain->deliveries, flow, session, n_bytes, timeout_ms);
        if (r < 0)
                fall_back_undelivered(chain, session, flow, r);
}

static bool add_inspector(struct session *session, struct flow *flow,
                          const struct flow_inspector *inspector)
{
        struct flow_inspector *inspectors;

        inspectors = reallocarray(flow->inspectors, flow->n_inspectors + 1, sizeof(*inspectors));
        if (!inspectors)
                return false;
        inspectors[flow->n_inspectors++] = *inspector;
        flow->inspectors = inspectors;
        session->n_inspected++;
        return true;
}

/* Its packets can be sent to us from the first on: by its socket; or by the interface that they
 * come in through, and have to leave by. Datagrams that come in are shown where they wait. */
static bool is_inspectable(const struct flow *flow)
{
        if (flow->is_judged_again)
                return false;
        if (flow->direction == NX_DIRECTION_OUTBOUND)
                return is_deliverable(flow);
        if (flow_is_call(flow))
                return !flow->is_for_group;
        return flow->interface && route_interface(&flow->local, &flow->remote) == flow->interface;
}

void chain_inspect(struct chain *chain, struct session *session, struct flow *flow,
                   const struct flow_inspector *inspector)
{
        bool wants_none =
                inspector->peek_outbound == UINT64_MAX && inspector->peek_inbound == UINT64_MAX;

        list_remove(&flow->waiting);
        if (!is_inspectable(flow)) {
                chain_fall_back(chain, session, flow, WIRE_REASON_NOT_INSPECTABLE);
                return;
        }
        if (!wants_none && !quota_may_deliver(chain->quota, flow)) {
                chain_fall_back(chain, session, flow, WIRE_REASON_PROGRAM_QUOTA);
                return;
        }
        if (!hooks_is_inspecting(chain->hooks, session->slot)) {
                hooks_set_inspecting(chain->hooks, session->slot, true);
                chain->listener.policy_changed(chain->listener.userdata);
        }
        if (!wants_none && !add_inspector(session, flow, inspector)) {
                chain_fall_back(chain, session, flow, WIRE_REASON_TABLE_FULL);
                return;
        }
        if (!wire_reason_is_fallback(flow->reason))
                note(flow, session, WIRE_REASON_PROVIDER, "");
        chain_advance(chain, flow);
}

void chain_open(struct chain *chain, struct flow *flow, enum nx_verdict verdict)
{
        decide(chain, flow, verdict);
}

/*
 * Who waits for an upstream that does not answer is left to wait: its own timer began at
 * the same moment, and says ETIMEDOUT as the upstream's did.
 */
void chain_fail(struct chain *chain, struct flow *flow, int error)
{
        flow->error = error;
        flow->reason = WIRE_REASON_UPSTREAM_FAILED;
        decide(chain, flow, error == -ETIMEDOUT ? NX_VERDICT_DROP : NX_VERDICT_REFUSE);
}

void chain_fall_back(struct chain *chain, struct session *session, struct flow *flow,
                     enum wire_reason reason)
{
        chain_fall_back_from(chain, session, flow, reason, "");
}

void chain_fall_back_from(struct chain *chain, struct session *session, struct flow *flow,
                          enum wire_reason reason, const char *rule)
{
        list_remove(&flow->waiting);
        note(flow, session, reason, rule);
        if (session_falls_open(session))
                chain_advance(chain, flow);
        else
                decide(chain, flow, NX_VERDICT_REFUSE);
}

void chain_deny(struct chain *chain, const struct session *session, struct flow *flow,
                enum wire_reason reason, enum nx_verdict verdict)
{
        list_remove(&flow->waiting);
        note(flow, session, reason, "");
        decide(chain, flow, verdict);
}

void chain_flush(struct chain *chain)
{
        struct session *session;

        successor_tidy(chain);
        for (size_t i = 0; i < chain->n_sessions; i++)
                session_flush(chain->order[i]);
        list_for_each (session, &chain->beside, beside)
                session_flush(session);
}
