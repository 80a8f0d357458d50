/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Order: kind, then grade, then `order`, then the time of activation, then the name: total, and the
 * same for every flow.
 *
 * A flow walks the order and stops at each session whose bit is set in ask_slots and not
 * yet in asked_slots. "Refuse" and "drop" end the walk; at its end the flow is allowed.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/chain.h"
#include "chain/identify.h"
#include "chain/packet-session.h"
#include "chain/settings.h"
#include "chain/successor.h"
#include "flow/table.h"
#include "steer/hooks.h"
#include "steer/queue.h"

#define NS_PER_MS 1000000ULL

void chain_init(struct chain *chain)
{
        reports_open(&chain->reports, chain);
        list_init(&chain->beside);
        list_init(&chain->unidentified);
        loop_timer_init(&chain->identify_timer, identify_timeout, chain);
}

void chain_deinit(struct chain *chain)
{
        for (unsigned int slot = 0; slot < STEER_SESSIONS_MAX; slot++)
                chain_remove(chain, slot, NX_PROVIDER_STOP_INTERNAL_ERROR);
        successor_tidy(chain);
        identify_let_go(chain);
        reports_close(&chain->reports);
}

struct session *chain_session(struct chain *chain, uint64_t slot)
{
        return slot < STEER_SESSIONS_MAX ? chain->sessions[slot] : NULL;
}

static int compare_sessions(const void *a, const void *b)
{
        const struct session *x = *(struct session *const *)a, *y = *(struct session *const *)b;

        if (x->kind != y->kind)
                return x->kind < y->kind ? -1 : 1;
        if (x->grade != y->grade)
                return x->grade < y->grade ? -1 : 1;
        if (x->order != y->order)
                return x->order < y->order ? -1 : 1;
        if (x->activation != y->activation)
                return x->activation < y->activation ? -1 : 1;
        return strcmp(x->name, y->name);
}

static void sort_sessions(struct chain *chain)
{
        chain->n_sessions = 0;
        for (unsigned int slot = 0; slot < STEER_SESSIONS_MAX; slot++)
                if (chain->sessions[slot])
                        chain->order[chain->n_sessions++] = chain->sessions[slot];
        qsort(chain->order, chain->n_sessions, sizeof(chain->order[0]), compare_sessions);
        packet_sessions_order(chain);
}

static void write_order(struct chain *chain)
{
        uint8_t slots[STEER_SESSIONS_MAX];
        size_t n_slots = 0;

        if (!chain->in_force)
                return;
        for (size_t i = 0; i < chain->n_sessions; i++)
                if (session_is_about_flows(chain->order[i]))
                        slots[n_slots++] = (uint8_t)chain->order[i]->slot;
        hooks_set_chain(chain->hooks, slots, n_slots);
        chain->listener.policy_changed(chain->listener.userdata);
}

void chain_put_in_force(struct chain *chain)
{
        chain->in_force = true;
        for (unsigned int slot = 0; slot < STEER_SESSIONS_MAX; slot++)
                if (!chain->sessions[slot]) {
                        hooks_set_inspecting(chain->hooks, slot, false);
                        (void)hooks_set_settings(chain->hooks, slot, NULL, 0);
                }
        write_order(chain);
}

bool chain_delivers(const struct chain *chain)
{
        for (size_t i = 0; i < chain->n_sessions; i++)
                if (session_is_proxy(chain->order[i]) ||
                    hooks_is_inspecting(chain->hooks, chain->order[i]->slot))
                        return true;
        return false;
}

uint64_t chain_udp_patience_ns(const struct chain *chain)
{
        uint32_t longest_s = 0;

        for (size_t i = 0; i < chain->n_sessions; i++) {
                const struct settings *settings = chain->order[i]->rules;

                if (!session_is_proxy(chain->order[i]))
                        continue;
                if (!settings || settings->udp_idle_s == 0)
                        return 0;
                if (settings->udp_idle_s > longest_s)
                        longest_s = settings->udp_idle_s;
        }
        return longest_s * 1000000000ULL;
}

bool chain_is_closed(const struct chain *chain)
{
        for (size_t i = 0; i < chain->n_sessions; i++)
                if (session_is_about_flows(chain->order[i]) && !session_falls_open(chain->order[i]))
                        return true;
        return false;
}

/* By what the kernel was told: after a restart of flowd, providers tell us later. */
enum ruleset_inbound chain_inbound(const struct chain *chain)
{
        uint64_t slots = hooks_state(chain->hooks)->inbound_slots;
        enum ruleset_inbound inbound = INBOUND_OFF;

        for (size_t i = 0; i < chain->n_sessions; i++) {
                if (!(slots >> chain->order[i]->slot & 1))
                        continue;
                if (!session_falls_open(chain->order[i]))
                        return INBOUND_CLOSED;
                inbound = INBOUND_OPEN;
        }
        return inbound;
}

bool chain_is_thinking(const struct chain *chain, uint64_t age_ns)
{
        for (size_t i = 0; i < chain->n_sessions; i++)
                if (session_is_thinking(chain->order[i], age_ns))
                        return true;
        return false;
}

void chain_put(struct chain *chain, struct session *session)
{
        chain->sessions[session->slot] = session;
        sort_sessions(chain);
}

int chain_add(struct chain *chain, const struct wire_message *message)
{
        uint64_t slot = wire_get(message, WIRE_ATTR_SESSION);
        struct session *session;

        if (slot >= STEER_SESSIONS_MAX)
                return -EBADMSG;
        if (chain->sessions[slot])
                return -EEXIST;
        session = malloc(sizeof(*session));
        if (!session)
                return -ENOMEM;
        *session = (struct session){
                .chain = chain,
                .in_use = true,
                .slot = (unsigned int)slot,
                .kind = (enum nx_provider_kind)wire_get(message, WIRE_ATTR_KIND),
                .order = wire_get_i32(message, WIRE_ATTR_ORDER),
                .grade = (enum nx_filter_grade)wire_get(message, WIRE_ATTR_GRADE),
                .fail_policy = (enum wire_fail_policy)wire_get(message, WIRE_ATTR_FAIL_POLICY),
                .verdict_timeout_ns = wire_get(message, WIRE_ATTR_VERDICT_TIMEOUT_MS) * NS_PER_MS,
                .ready_timeout_ns = wire_get(message, WIRE_ATTR_READY_TIMEOUT_MS) * NS_PER_MS,
                .cgroup_id = wire_get(message, WIRE_ATTR_CGROUP_ID),
                .activation = ++chain->last_activation,
                .channel = CHANNEL_NULL,
                .io = LOOP_IO_NULL,
        };
        snprintf(session->name, sizeof(session->name), "%s",
                 wire_get_string(message, WIRE_ATTR_NAME));
        session_init(session);
        hooks_set_session(chain->hooks, session->slot,
                          (struct hooks_session){
                                  .cgroup_id = session->cgroup_id,
                                  .is_proxy = session_is_proxy(session),
                                  .is_closed = session->fail_policy == WIRE_FAIL_CLOSED,
                                  .has_last_rules = session->fail_policy == WIRE_FAIL_LAST_RULES,
                          });
        packet_session_init(session);
        chain_put(chain, session);
        write_order(chain);
        return 0;
}

void chain_let_go(struct chain *chain, struct session *session, struct flow *flow)
{
        list_remove(&flow->waiting);
        flow->judged.ask_slots &= ~(1ULL << session->slot);
        chain_advance(chain, flow);
}

static void let_list_go(struct chain *chain, struct session *session, struct list *flows)
{
        struct flow *flow;

        while ((flow = list_first(flows, struct flow, waiting)))
                chain_let_go(chain, session, flow);
}

void chain_let_all_go(struct chain *chain, struct session *session)
{
        let_list_go(chain, session, &session->starting);
        let_list_go(chain, session, &session->asked);
        let_list_go(chain, session, &session->paused);
}

void chain_remove(struct chain *chain, unsigned int slot, enum nx_provider_stop_reason reason)
{
        struct session *session = chain_session(chain, slot);

        if (!session)
                return;
        session->in_use = false;
        chain->sessions[slot] = NULL;
        hooks_set_inspecting(chain->hooks, slot, false);
        sort_sessions(chain);
        write_order(chain);
        successor_remove_all(session, reason);
        chain_let_all_go(chain, session);
        session_stop(session, reason);
        hooks_set_session(chain->hooks, slot, (struct hooks_session){});
        (void)hooks_set_settings(chain->hooks, slot, NULL, 0);
        list_append(&chain->beside, &session->beside); /* to be freed; see successor_tidy() */
}
