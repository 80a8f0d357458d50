/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The sessions in their order, and a flow's way through them. What the kernel's rules
 * could not decide is asked of each session that wants to be asked, one after the other;
 * no flow waits for another's answer, but for the moment that a quick one takes (engine/intake.c).
 */

#include <stddef.h>
#include <stdint.h>

#include "bpf/steer.abi.h"
#include "chain/reports.h"
#include "chain/session.h"
#include "flow/flow.h"
#include "steer/ruleset.h"

struct deliveries;
struct digests;
struct flow_table;
struct hooks;
struct leftovers;
struct names;
struct owners;
struct packets;
struct passed;
struct queue;
struct quota;
struct sets;

/* How the chain reaches those above it. */
struct chain_listener {
        void (*flow_held)(struct flow *flow, void *userdata);
        void (*flow_decided)(struct flow *flow, void *userdata);
        /* It is over, and that was not its program's doing. */
        void (*flow_closed)(struct flow *flow, void *userdata);
        /* error: 0, or why the session failed, with the sentence text. */
        void (*session_changed)(struct session *session, int error, const char *text,
                                void *userdata);
        /* It leaves, and has no flows any more. */
        void (*session_drained)(struct session *session, void *userdata);
        /* The fail policies changed, or what kinds of sessions there are: the ruleset must know. */
        void (*policy_changed)(void *userdata);
        void *userdata;
};

/* Who takes care of flows that do not simply pass; the chain does not know how. */
struct chain_deliverer {
        /* A proxy claimed the flow: -ENOMEM if nobody can take care of it. */
        int (*claim)(struct deliveries *deliveries, struct flow *flow, struct session *session);
        /* A proxy wants to see the flow's first bytes; then it is asked again. */
        int (*peek)(struct deliveries *deliveries, struct flow *flow, struct session *session,
                    uint32_t n_bytes, uint32_t timeout_ms);
        /* Nobody took the flow, but it cannot simply pass any more. */
        int (*go_direct)(struct deliveries *deliveries, struct flow *flow);
        /* A flow with a delivery is refused or dropped. */
        void (*deny)(struct flow *flow);
        /* The same in whatever state it is, and who has it is told. */
        void (*cut)(struct flow *flow);
        /* Of flows that have a delivery; -EBADMSG where the session may not say that. fd is
         * taken over. */
        int (*open)(struct flow *flow, struct session *session, int result);
        int (*splice)(struct flow *flow, struct session *session, int fd);
        /* What a filter says of an inspected flow's bytes; -EBADMSG for what makes no sense. */
        int (*judge_data)(struct flow *flow, struct session *session,
                          const struct session_data_verdict *verdict);
        /* The session's provider reads again what it is sent. */
        void (*retry_session)(struct deliveries *deliveries, struct session *session);
        /* The session's provider is gone. */
        void (*end_session)(struct deliveries *deliveries, struct session *session);
};

struct chain {
        struct loop *loop; /* all borrowed */
        struct hooks *hooks;
        struct queue *queue;
        const struct passed *passed;
        struct leftovers *leftovers;
        struct owners *owners;
        struct names *names;
        struct sets *sets;
        struct digests *digests;
        struct flow_table *flows;
        struct packets *packets;
        struct quota *quota;
        struct deliveries *deliveries;
        const struct chain_deliverer *deliverer;
        struct chain_listener listener;
        struct session *sessions[STEER_SESSIONS_MAX]; /* in place, by slot; owned */
        struct session *order[STEER_SESSIONS_MAX];
        struct list beside; /* session.beside: those coming and leaving; owned */
        unsigned int last_run;
        size_t n_sessions;
        uint64_t last_activation;
        bool cuts; /* the kernel cannot end connections, and refuses their segments */
        uint64_t n_updates_refused; /* of flows that were none of the session's */
        bool in_force;              /* the kernel knows the order */
        struct reports reports;
        struct list unidentified; /* flow.waiting: by deadline */
        struct loop_timer identify_timer;
};

void chain_init(struct chain *chain);
void chain_deinit(struct chain *chain);

/* NX_MSG_FLOWD_SESSION_ADD. 0, -EEXIST for a slot in use, -EBADMSG for one that is none. */
int chain_add(struct chain *chain, const struct wire_message *message);
void chain_remove(struct chain *chain, unsigned int slot, enum nx_provider_stop_reason reason);
/* NULL for a slot that is free or none. */
struct session *chain_session(struct chain *chain, uint64_t slot);
/* The session takes the place of the one in its slot, which is the caller's then. */
void chain_put(struct chain *chain, struct session *session);
/* Writes the order to the kernel, now and at each change from now on. */
void chain_put_in_force(struct chain *chain);
/* Can flows have to be delivered: are there proxies, or filters that have asked for bytes? */
bool chain_delivers(const struct chain *chain);
/* Does any session refuse what nobody answers for? */
bool chain_is_closed(const struct chain *chain);
/* The longest that any proxy lets its flows of datagrams be idle; 0: for ever, or one has yet to
 * say how long. */
uint64_t chain_udp_patience_ns(const struct chain *chain);
/* Does any session speak of inbound flows, and refuse those that nobody answers for? */
enum ruleset_inbound chain_inbound(const struct chain *chain);

/* What the rules in force say: for flows that no hook saw, or that newer rules have overtaken. */
void chain_judge(struct chain *chain, const struct flow *flow, struct steer_outcome *ret_outcome);
/* The filter's answer holds for later flows of the same kind: see hooks_remember(). */
void chain_remember(struct chain *chain, const struct session *session, const struct flow *flow,
                    enum nx_verdict verdict, uint32_t seconds);
/* The program that the bytes are of, as rules see it; NULL where it is unknown. */
struct process *chain_program(const struct flow *flow);
/* The user for whom it runs; ~0: unknown. */
uint32_t chain_user(const struct flow *flow);
/* Sends a flow on its way by what the rules said. */
void chain_enter(struct chain *chain, struct flow *flow, const struct steer_outcome *outcome);
/* Sends flow to the next session that wants to be asked, or allows it. */
void chain_advance(struct chain *chain, struct flow *flow);
/* The label of the session's rule that has it asked about the flow, or "". */
const char *chain_asking_rule(struct chain *chain, const struct session *session,
                              const struct flow *flow);
/* A provider's answer, one that its kind may give, by its rule of that label or "". */
void chain_answer(struct chain *chain, struct session *session, struct flow *flow,
                  enum nx_verdict verdict, enum wire_reason reason, const char *rule);
/* The session's extension may say of its sockets that they carry the flow on. */
void chain_grant(struct chain *chain, const struct session *session, const struct flow *flow);
/* A provider wants to see n_bytes before it answers. */
void chain_peek(struct chain *chain, struct session *session, struct flow *flow, uint32_t n_bytes,
                uint32_t timeout_ms);
/* A filter lets the flow go on, but wants to see its bytes. */
void chain_inspect(struct chain *chain, struct session *session, struct flow *flow,
                   const struct flow_inspector *inspector);
/* The way of a delivered flow is open, as CLAIM or ALLOW, or will not be: its packets go theirs. */
void chain_open(struct chain *chain, struct flow *flow, enum nx_verdict verdict);
void chain_fail(struct chain *chain, struct flow *flow, int error);
/* Its packets go to the listener before its verdict is known. */
void chain_release_held(struct chain *chain, struct flow *flow);
/* No answer: the session's fail policy stands in. */
void chain_fall_back(struct chain *chain, struct session *session, struct flow *flow,
                     enum wire_reason reason);
/* A flow that is held is refused or dropped, without an answer. session: whose doing, or NULL. */
void chain_deny(struct chain *chain, const struct session *session, struct flow *flow,
                enum wire_reason reason, enum nx_verdict verdict);
/* The same where the session's rule of that label wanted an answer. */
void chain_fall_back_from(struct chain *chain, struct session *session, struct flow *flow,
                          enum wire_reason reason, const char *rule);
/* Without the session in its way, the flow goes on. */
void chain_let_go(struct chain *chain, struct session *session, struct flow *flow);
/* The same for all that wait for its answer. */
void chain_let_all_go(struct chain *chain, struct session *session);
/* Lets a waiting packet go the way its flow was decided. */
void chain_release(struct chain *chain, const struct flow *flow, struct queue_held held);
/* Of those that would have been asked the first one that is closed, or NULL. */
struct session *chain_closed_session(struct chain *chain, uint64_t ask_slots);
/* Why the rules said what they did. */
enum wire_reason chain_reason(const struct steer_outcome *outcome);
/* Who and why, from what the rules said. */
void chain_note_outcome(struct chain *chain, struct flow *flow,
                        const struct steer_outcome *outcome);
/* That by which of its session's rules, or by none of them, is counted there. */
void chain_count(struct chain *chain, const struct flow *flow);
/* Is there a session that is thinking, see session_is_thinking()? */
bool chain_is_thinking(const struct chain *chain, uint64_t age_ns);
/* Sends what collected for the providers in this round. */
void chain_flush(struct chain *chain);
