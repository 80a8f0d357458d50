/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The conversation with a provider. A session's provider is
 *
 *      ABSENT ──channel──▶ STARTING ──started──▶ RUNNING
 *         ▲                   │ no, or too late     │
 *         └── channel ends ───┴──▶ FAILED ◀─────────┘ broke the protocol
 *
 * A flow that comes while it is STARTING waits (the ready timeout bounds that), while it
 * is RUNNING it is asked (the verdict timeout bounds that), else the fail policy answers
 * at once. A provider that pauses a flow of TCP takes the time that it needs; a datagram is worth
 * nothing when it is late, so a flow of them is dropped after DATAGRAMS_PAUSE_NS, whatever the fail
 * policy. What a provider sends is checked against what it was asked: an answer about a
 * flow that does not wait for it is late and ignored; an answer that is none is a fault.
 */

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "chain/chain.h"
#include "chain/ending.h"
#include "chain/packet-session.h"
#include "chain/settings.h"
#include "chain/successor.h"
#include "flow/record.h"
#include "flow/table.h"
#include "names/names.h"
#include "steer/hooks.h"

#define NEWS_PAUSE_NS (5 * 1000000ULL)
#define LOOK_AGAIN_NS (50 * 1000000ULL)

static int on_ready_timeout(void *userdata);
static int on_verdict_timeout(void *userdata);
static int on_pause_over(void *userdata);
static int on_news_pause_over(void *userdata);

void session_init(struct session *session)
{
        list_init(&session->beside);
        list_init(&session->starting);
        list_init(&session->asked);
        list_init(&session->paused);
        list_init(&session->opening);
        list_init(&session->claimed);
        loop_timer_init(&session->ready_timer, on_ready_timeout, session);
        loop_timer_init(&session->verdict_timer, on_verdict_timeout, session);
        loop_timer_init(&session->pause_timer, on_pause_over, session);
        loop_timer_init(&session->news_timer, on_news_pause_over, session);
}

bool session_falls_open(const struct session *session)
{
        if (session->fail_policy == WIRE_FAIL_LAST_RULES)
                return hooks_state(session->chain->hooks)->allowing_slots >> session->slot & 1;
        return session->fail_policy == WIRE_FAIL_OPEN;
}

static void fall_back_all(struct session *session, struct list *flows, enum wire_reason reason)
{
        struct flow *flow;

        while ((flow = list_first(flows, struct flow, waiting)))
                chain_fall_back(session->chain, session, flow, reason);
}

static void report(struct session *session, int error, const char *text)
{
        struct chain_listener *listener = &session->chain->listener;

        listener->session_changed(session, error, text, listener->userdata);
}

static void close_channel(struct session *session)
{
        loop_remove(session->chain->loop, &session->io);
        channel_deinit(&session->channel);
        shared_close(&session->shared);
        session->has_shared = false;
        session->coming = settings_free(session->coming);
        packet_session_close(session);
        session->wants_write = false;
        loop_timer_stop(&session->ready_timer);
        loop_timer_stop(&session->verdict_timer);
        loop_timer_stop(&session->pause_timer);
        loop_timer_stop(&session->news_timer);
}

/* Begins a message that leaves at the end of the round. */
static struct wire_writer *begin(struct session *session, enum wire_message_type type, uint64_t id)
{
        session->is_urgent = true;
        return channel_begin(&session->channel, type, id);
}

/* provider: ABSENT or FAILED. Flows that wait get the fail policy. */
static void end_conversation(struct session *session, enum session_provider provider, int error,
                             const char *text)
{
        close_channel(session);
        session->provider = provider;
        fall_back_all(session, &session->starting, WIRE_REASON_PROVIDER_ABSENT);
        fall_back_all(session, &session->asked, WIRE_REASON_PROVIDER_GONE);
        fall_back_all(session, &session->paused, WIRE_REASON_PROVIDER_GONE);
        session->chain->deliverer->end_session(session->chain->deliveries, session);
        if (provider == PROVIDER_FAILED)
                report(session, error, text);
}

int session_fail(struct session *session, int error, const char *text)
{
        end_conversation(session, PROVIDER_FAILED, error, text);
        return 0;
}

static int on_ready_timeout(void *userdata)
{
        struct session *session = userdata;

        end_conversation(session, PROVIDER_FAILED, -ETIMEDOUT,
                         "the extension did not start its filter within the ready timeout");
        return 0;
}

static int on_verdict_timeout(void *userdata)
{
        struct session *session = userdata;
        struct flow *flow;
        uint64_t now = now_ns();

        while ((flow = list_first(&session->asked, struct flow, waiting))) {
                if (flow->deadline_ns > now) {
                        loop_timer_start(session->chain->loop, &session->verdict_timer,
                                         flow->deadline_ns);
                        break;
                }
                flow->late_slots |= 1ULL << session->slot;
                chain_fall_back(session->chain, session, flow, WIRE_REASON_VERDICT_TIMEOUT);
        }
        return 0;
}

/* Ends the message that asks. */
static void wait_for_answer(struct session *session, struct flow *flow)
{
        struct chain *chain = session->chain;

        if (channel_end(&session->channel) < 0) {
                chain_fall_back(chain, session, flow, WIRE_REASON_TABLE_FULL);
                return;
        }
        flow->late_slots &= ~(1ULL << session->slot);
        flow->deadline_ns = now_ns() + session->verdict_timeout_ns;
        if (list_is_empty(&session->asked))
                loop_timer_start(chain->loop, &session->verdict_timer, flow->deadline_ns);
        list_append(&session->asked, &flow->waiting);
}

static void send_flow(struct session *session, struct flow *flow)
{
        const char *rule = chain_asking_rule(session->chain, session, flow);
        struct chain *chain = session->chain;
        struct wire_writer *writer;

        if (session_is_proxy(session))
                chain_grant(chain, session, flow);
        writer = begin(session, NX_MSG_PROVIDER_FLOW_NEW, flow->id);
        record_put_identity(writer, flow, chain->owners, chain->names);
        if (*rule)
                wire_put_string(writer, WIRE_ATTR_RULE, rule);
        wait_for_answer(session, flow);
}

void session_show(struct session *session, struct flow *flow, const void *bytes, size_t size)
{
        struct wire_writer *writer;

        writer = begin(session, NX_MSG_PROVIDER_FLOW_PEEKED, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow->id);
        wire_put_bytes(writer, WIRE_ATTR_DATA, bytes, size);
        wait_for_answer(session, flow);
}

bool session_is_thinking(const struct session *session, uint64_t age_ns)
{
        const struct flow *oldest = list_first(&session->asked, struct flow, waiting);

        return oldest && now_ns() < oldest->deadline_ns - session->verdict_timeout_ns + age_ns;
}

void session_ask(struct session *session, struct flow *flow)
{
        list_remove(&flow->waiting);
        flow->is_paused = false;
        if (session->provider == PROVIDER_RUNNING)
                send_flow(session, flow);
        else if (session->provider == PROVIDER_STARTING)
                list_append(&session->starting, &flow->waiting);
        else
                chain_fall_back(session->chain, session, flow, WIRE_REASON_PROVIDER_ABSENT);
}

/* Flows that came before the provider's rules did; most need not be asked about now. */
void session_judge_again(struct session *session)
{
        struct steer_outcome outcome;
        struct flow *flow;

        while ((flow = list_first(&session->starting, struct flow, waiting))) {
                list_remove(&flow->waiting);
                flow->asked_slots &= ~(1ULL << session->slot);
                chain_judge(session->chain, flow, &outcome);
                chain_enter(session->chain, flow, &outcome);
        }
}

static int on_started(struct session *session, const struct wire_message *message)
{
        const char *text = wire_get_string(message, WIRE_ATTR_TEXT);
        int result = wire_get_i32(message, WIRE_ATTR_RESULT);

        if (session->provider != PROVIDER_STARTING || result > 0)
                return -EBADMSG;
        if (result < 0) {
                end_conversation(session, PROVIDER_FAILED, result,
                                 text ? text : "the extension could not start its filter");
                return 0;
        }
        loop_timer_stop(&session->ready_timer);
        session->provider = PROVIDER_RUNNING;
        report(session, 0, NULL);
        if (!session_is_about_flows(session))
                return packet_session_start(session);
        session_judge_again(session);
        return 0;
}

/* News: nobody waits for it, and a provider that is woken for each costs more than it. */
static void tell_closed(struct session *session, uint64_t flow, const struct session_flow_end *end)
{
        struct wire_writer *writer;

        writer = channel_begin(&session->channel, NX_MSG_PROVIDER_FLOW_CLOSED, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)end->error);
        wire_put(writer, WIRE_ATTR_BYTES_OUTBOUND, end->bytes_outbound);
        wire_put(writer, WIRE_ATTR_BYTES_INBOUND, end->bytes_inbound);
        (void)channel_end(&session->channel);
}

/* What a filter has changed its mind to, about a flow that passed it. */
static int judge_live_flow(struct session *session, uint64_t id)
{
        const struct ending ending = { .by = WIRE_END_FILTER, .session = session };
        struct chain *chain = session->chain;
        struct flow *flow = flow_table_find(chain->flows, id);
        bool was_given = id > 0 && id <= *chain->flows->last_id;

        if (flow ? ending_may(chain, session, flow) : was_given)
                return flow ? ending_end(chain, flow, &ending) : -ENOENT;
        chain->n_updates_refused++;
        return -EPERM;
}

static int on_flow_update(struct session *session, const struct wire_message *message)
{
        uint64_t id = wire_get(message, WIRE_ATTR_FLOW);
        struct wire_writer *writer;
        int r;

        if (wire_get(message, WIRE_ATTR_VERDICT) != NX_VERDICT_DROP)
                return -EBADMSG;
        r = judge_live_flow(session, id);
        writer = begin(session, NX_MSG_PROVIDER_FLOW_UPDATED, message->id);
        wire_put(writer, WIRE_ATTR_FLOW, id);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)r);
        return channel_end(&session->channel);
}

static bool is_answer_of(const struct session *session, enum nx_verdict verdict)
{
        switch (verdict) {
        case NX_VERDICT_DROP:
        case NX_VERDICT_REFUSE:
        case NX_VERDICT_PAUSE:
                return session_is_about_flows(session);
        case NX_VERDICT_NONE: /* nobody whom it asked has answered */
        case NX_VERDICT_ALLOW:
        case NX_VERDICT_FILTER_DATA:
                return session->kind == NX_PROVIDER_KIND_FILTER;
        case NX_VERDICT_CLAIM:
        case NX_VERDICT_DECLINE:
        case NX_VERDICT_PEEK:
                return session_is_proxy(session);
        default:
                return false;
        }
}

/* The flow was decided without it, or is gone: the provider shall not wait for its end. */
static void tell_too_late(struct session *session, uint64_t flow)
{
        tell_closed(session, flow, &(struct session_flow_end){ .error = -ESTALE });
}

static int on_peek(struct session *session, struct flow *flow, const struct wire_message *message)
{
        uint64_t n_bytes = wire_get(message, WIRE_ATTR_PEEK_BYTES);

        if (flow->protocol != IPPROTO_TCP || n_bytes == 0 || n_bytes > WIRE_DATA_MAX)
                return -EBADMSG;
        chain_peek(session->chain, session, flow, (uint32_t)n_bytes,
                   (uint32_t)wire_get(message, WIRE_ATTR_VERDICT_TIMEOUT_MS));
        return 0;
}

static int on_filter_data(struct session *session, struct flow *flow,
                          const struct wire_message *message)
{
        struct flow_inspector inspector = {
                .slot = session->slot,
                .activation = session->activation,
                .run = session->run,
                .peek_outbound = wire_get(message, WIRE_ATTR_PEEK_BYTES),
                .peek_inbound = wire_get(message, WIRE_ATTR_PEEK_INBOUND),
        };

        if (!session->may_inspect) {
                session->channel.problem =
                        "it wants to see what flows carry, and has not the capability "
                        "\"byte-inspection\": add it to the manifest";
                return -EACCES;
        }
        chain_inspect(session->chain, session, flow, &inspector);
        return 0;
}

/* OFFSET: that of the question that it answers; without one nobody asked. */
static int on_data_verdict(struct session *session, const struct wire_message *message)
{
        struct chain *chain = session->chain;
        struct flow *flow = flow_table_find(chain->flows, wire_get(message, WIRE_ATTR_FLOW));
        struct session_data_verdict verdict = {
                .direction = (enum nx_direction)wire_get(message, WIRE_ATTR_DIRECTION),
                .verdict = (enum nx_verdict)wire_get(message, WIRE_ATTR_VERDICT),
                .is_update = !wire_has(message, WIRE_ATTR_OFFSET),
                .pass_bytes = wire_get(message, WIRE_ATTR_PASS_BYTES),
                .peek_bytes = wire_get(message, WIRE_ATTR_PEEK_BYTES),
        };

        if (!flow || (!flow->delivery && flow->n_inspectors == 0))
                return 0; /* it is over */
        if (verdict.verdict == NX_VERDICT_ALLOW || verdict.verdict == NX_VERDICT_DROP)
                reports_data_decided(&chain->reports, session, flow, verdict.verdict);
        return chain->deliverer->judge_data(flow, session, &verdict);
}

static void wait_for_pause(struct session *session, uint64_t deadline_ns)
{
        loop_timer_start(session->chain->loop, &session->pause_timer, deadline_ns);
}

/* Of all that are paused those of datagrams have a deadline; the one that comes first, or NULL. */
static struct flow *next_to_drop(const struct session *session)
{
        struct flow *flow;

        list_for_each (flow, &session->paused, waiting)
                if (flow->protocol == IPPROTO_UDP)
                        return flow;
        return NULL;
}

static int on_pause_over(void *userdata)
{
        struct session *session = userdata;
        struct flow *flow;

        while ((flow = next_to_drop(session))) {
                if (flow->deadline_ns > now_ns()) {
                        wait_for_pause(session, flow->deadline_ns);
                        break;
                }
                tell_too_late(session, flow->id);
                chain_deny(session->chain, session, flow, WIRE_REASON_PAUSE_TIMEOUT,
                           NX_VERDICT_DROP);
        }
        return 0;
}

void session_abandon(struct flow *flow)
{
        struct session *session = flow->waits_for;

        if (!session || !flow->is_paused || flow->protocol != IPPROTO_TCP)
                return;
        tell_too_late(session, flow->id);
        if (flow->verdict == NX_VERDICT_NONE)
                chain_deny(session->chain, session, flow, WIRE_REASON_PROGRAM_GONE,
                           NX_VERDICT_DROP);
}

static void pause_flow(struct session *session, struct flow *flow)
{
        list_remove(&flow->waiting);
        list_append(&session->paused, &flow->waiting);
        flow->is_paused = true;
        if (flow->closed_ns && !flow->delivery) {
                session_abandon(flow);
                return;
        }
        if (flow->protocol != IPPROTO_UDP)
                return;
        flow->deadline_ns = now_ns() + DATAGRAMS_PAUSE_NS;
        if (list_is_empty(&session->pause_timer.link))
                wait_for_pause(session, flow->deadline_ns);
}

/* What came of a question to people belongs to a verdict that it can have. */
static bool reason_fits(enum nx_verdict verdict, enum wire_reason reason)
{
        if (verdict == NX_VERDICT_NONE)
                return wire_reason_is_of_question(reason) && wire_reason_is_fallback(reason);
        return reason == WIRE_REASON_PROVIDER ||
               ((verdict == NX_VERDICT_ALLOW || verdict == NX_VERDICT_REFUSE) &&
                wire_reason_is_of_question(reason) && !wire_reason_is_fallback(reason));
}

static int on_verdict(struct session *session, const struct wire_message *message)
{
        enum nx_verdict verdict = (enum nx_verdict)wire_get(message, WIRE_ATTR_VERDICT);
        enum wire_reason reason = wire_has(message, WIRE_ATTR_REASON)
                                          ? (enum wire_reason)wire_get(message, WIRE_ATTR_REASON)
                                          : WIRE_REASON_PROVIDER;
        uint32_t remember_s = (uint32_t)wire_get(message, WIRE_ATTR_REMEMBER_S);
        const char *rule = wire_get_string(message, WIRE_ATTR_RULE) ?: "";
        struct chain *chain = session->chain;
        struct flow *flow;

        if (!is_answer_of(session, verdict) || !reason_fits(verdict, reason) ||
            remember_s > WIRE_REMEMBER_S_MAX ||
            (remember_s > 0 && session->kind != NX_PROVIDER_KIND_FILTER))
                return -EBADMSG;
        flow = flow_table_find(chain->flows, wire_get(message, WIRE_ATTR_FLOW));
        if (!flow || flow->waits_for != session || list_is_empty(&flow->waiting)) {
                if (verdict == NX_VERDICT_CLAIM || verdict == NX_VERDICT_PEEK ||
                    verdict == NX_VERDICT_FILTER_DATA)
                        tell_too_late(session, wire_get(message, WIRE_ATTR_FLOW));
                return 0;
        }
        if (verdict == NX_VERDICT_PAUSE) {
                pause_flow(session, flow);
                return 0;
        }
        if (wire_has(message, WIRE_ATTR_REPORT_FREQUENCY))
                reports_want(
                        &chain->reports, session, flow,
                        (enum nx_report_frequency)wire_get(message, WIRE_ATTR_REPORT_FREQUENCY));
        if (verdict == NX_VERDICT_FILTER_DATA)
                return on_filter_data(session, flow, message);
        if (verdict == NX_VERDICT_PEEK)
                return on_peek(session, flow, message);
        if (remember_s > 0 && verdict != NX_VERDICT_NONE)
                chain_remember(chain, session, flow, verdict, remember_s);
        if (verdict == NX_VERDICT_NONE)
                chain_fall_back_from(chain, session, flow, reason, rule);
        else
                chain_answer(chain, session, flow, verdict, reason, rule);
        return 0;
}

/* It claims the flow, but too late: meanwhile that is over, or somebody else's. No fault of the
 * provider: the two messages have crossed. */
static bool is_too_late(const struct session *session, const struct flow *flow)
{
        return !flow || !flow->delivery || flow->late_slots & 1ULL << session->slot;
}

/* What a proxy says of a flow that it claimed. */
static int on_flow_open(struct session *session, const struct wire_message *message)
{
        struct chain *chain = session->chain;
        struct flow *flow = flow_table_find(chain->flows, wire_get(message, WIRE_ATTR_FLOW));

        if (is_too_late(session, flow))
                return 0;
        return chain->deliverer->open(flow, session, wire_get_i32(message, WIRE_ATTR_RESULT));
}

static int on_flow_splice(struct session *session, const struct wire_message *message, int *fd)
{
        struct chain *chain = session->chain;
        struct flow *flow = flow_table_find(chain->flows, wire_get(message, WIRE_ATTR_FLOW));

        if (is_too_late(session, flow))
                return 0;
        return chain->deliverer->splice(flow, session, take_fd(fd));
}

static int on_settings_begin(struct session *session, const struct wire_message *message)
{
        session->coming = settings_free(session->coming);
        return settings_begin(&session->coming, message, session->chain->hooks,
                              session->chain->names, session->chain->sets);
}

/* What comes in has no program here that a proxy could speak for. */
static int on_settings_rule(struct session *session, const struct wire_message *message)
{
        if (!session->coming)
                return -EBADMSG;
        if (session_is_proxy(session) &&
            wire_get(message, WIRE_ATTR_DIRECTION) == NX_DIRECTION_INBOUND)
                return -EBADMSG;
        return settings_add(session->coming, message);
}

static int put_in_force(struct session *session, struct settings *rules)
{
        struct chain *chain = session->chain;
        int r;

        names_catch_up(chain->names);
        r = hooks_set_settings(chain->hooks, session->slot, rules ? rules->entries : NULL,
                               rules ? rules->n_rules + 1 : 0);
        if (r < 0)
                return r;
        if (rules)
                rules->generation = hooks_state(chain->hooks)->generation;
        chain->listener.policy_changed(chain->listener.userdata);
        return 0;
}

int session_put_rules(struct session *session)
{
        return put_in_force(session, session->rules);
}

int session_answer_settings(struct session *session, uint64_t id, int result)
{
        struct wire_writer *writer = begin(session, NX_MSG_PROVIDER_SETTINGS_DONE, id);

        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)result);
        return channel_end(&session->channel);
}

/* Who starts it has to know; later, the old rules are as good as they were. */
static int refuse_settings(struct session *session, uint32_t id)
{
        int error = session->coming->error;
        char text[256];

        snprintf(text, sizeof(text),
                 "the rule %s is about a cgroup or a unit, and this kernel does not tell which "
                 "cgroups a program is in: Linux 6.1 and later do",
                 session->coming->refused);
        session->coming = settings_free(session->coming);
        if (session->provider == PROVIDER_STARTING) {
                end_conversation(session, PROVIDER_FAILED, error, text);
                return 0;
        }
        log_error("session %s: %s; the old rules stay in force", session->name, text);
        return session_answer_settings(session, id, error);
}

/* Those of a provider that is not in place wait for it to be, or are for its own flows only. */
static int on_settings_commit(struct session *session, const struct wire_message *message)
{
        struct settings *coming = session->coming;
        int r = 0;

        if (!coming || coming->id != message->id)
                return -EBADMSG;
        if (coming->error)
                return refuse_settings(session, message->id);
        if (session->place == SESSION_IN_PLACE)
                r = put_in_force(session, coming);
        if (r >= 0) {
                if (session->rules)
                        settings_keep_counts(coming, session->rules);
                session->coming = session->rules;
                session->rules = coming;
        }
        session->coming = settings_free(session->coming);
        return session_answer_settings(session, message->id, r);
}

static int on_message(const struct wire_message *message, int *fd, void *userdata)
{
        struct session *session = userdata;

        if (!session_is_about_flows(session) && packet_session_is_about(message))
                return packet_session_read(session, message);
        switch (message->type) {
        case NX_MSG_ENGINE_STARTED:
                return on_started(session, message);
        case NX_MSG_ENGINE_VERDICT:
                return on_verdict(session, message);
        case NX_MSG_ENGINE_SETTINGS_BEGIN:
                return on_settings_begin(session, message);
        case NX_MSG_ENGINE_SETTINGS_RULE:
                return on_settings_rule(session, message);
        case NX_MSG_ENGINE_SETTINGS_COMMIT:
                return on_settings_commit(session, message);
        case NX_MSG_ENGINE_DATA_VERDICT:
                return on_data_verdict(session, message);
        case NX_MSG_ENGINE_FLOW_UPDATE:
                return on_flow_update(session, message);
        case NX_MSG_ENGINE_DATA_SEEN:
                return shared_release(&session->shared, wire_get(message, WIRE_ATTR_SLOT));
        case NX_MSG_ENGINE_FLOW_OPEN:
                return on_flow_open(session, message);
        case NX_MSG_ENGINE_FLOW_SPLICE:
                return on_flow_splice(session, message, fd);
        case NX_MSG_ENGINE_DRAINED:
                return successor_drained(session);
        case NX_MSG_ENGINE_STOPPED:
                return 0;
        default:
                return -EBADMSG;
        }
}

/* A provider's fault is the provider's: its channel closes, the daemon goes on. */
static void on_fault(struct session *session, int error)
{
        const char *problem = session->channel.problem;
        char text[256];

        if (error == -EPIPE) {
                end_conversation(session, PROVIDER_ABSENT, error, NULL);
                return;
        }
        snprintf(text, sizeof(text), "%s%s",
                 error == -EACCES ? "" : "the extension broke the protocol: ",
                 problem ? problem : "a message came that makes no sense here");
        log_warning("session %s: %s; its channel is closed", session->name, text);
        end_conversation(session, PROVIDER_FAILED, error, text);
}

static int on_io(uint32_t events, void *userdata)
{
        struct session *session = userdata;
        int r = 0;

        if (events & EPOLLOUT)
                r = channel_flush(&session->channel);
        /* One datagram a round: it holds a batch, and a loud provider starves nobody. */
        session->channel.problem = NULL;
        if (r >= 0 && session->channel.fd >= 0)
                r = channel_receive(&session->channel, on_message, session);
        if (r < 0 && r != -EAGAIN)
                on_fault(session, r);
        return 0;
}

void session_set_channel(struct session *session, int fd, uint32_t process, bool may_inspect)
{
        struct chain *chain = session->chain;
        struct wire_writer *writer;
        int r;

        if (session->channel.fd >= 0)
                end_conversation(session, PROVIDER_ABSENT, 0, NULL);
        session->process = process;
        session->may_inspect = may_inspect;
        session->n_inspected = 0;
        r = channel_init(&session->channel, fd);
        if (r >= 0)
                r = loop_add(chain->loop, &session->io, fd, EPOLLIN, on_io, session);
        if (r < 0) {
                end_conversation(session, PROVIDER_FAILED, r,
                                 "flowd is short of memory or descriptors");
                return;
        }
        session->channel.may_lack_fds = true;
        session->provider = PROVIDER_STARTING;
        session->run = ++chain->last_run;
        loop_timer_start(chain->loop, &session->ready_timer, now_ns() + session->ready_timeout_ns);
        writer = begin(session, NX_MSG_PROVIDER_START, session->slot);
        wire_put(writer, WIRE_ATTR_VERSION, WIRE_VERSION);
        wire_put_string(writer, WIRE_ATTR_NAME, session->name);
        wire_put(writer, WIRE_ATTR_KIND, session->kind);
        (void)channel_end(&session->channel);
}

/* Without it, questions are as long as a message can carry. */
static void share_memory(struct session *session)
{
        _cleanup_fd_ int fd = -1;
        int r;

        session->has_shared = true;
        r = shared_open(&session->shared, &fd);
        if (r < 0) {
                log_warning("session %s: no memory to show bytes in, so they are sent: %s",
                            session->name, strerror(-r));
                return;
        }
        begin(session, NX_MSG_PROVIDER_MEMORY, 0);
        if (channel_end_with_fd(&session->channel, fd) >= 0)
                take_fd(&fd);
        else
                shared_close(&session->shared);
}

/* A slot, or a negative errno: they are too few to be worth it, or there is none. */
static int put_in_slot(struct session *session, const void *bytes, size_t size)
{
        if (size <= WIRE_DATA_MAX)
                return -EAGAIN;
        if (!session->has_shared)
                share_memory(session);
        return shared_put(&session->shared, bytes, size);
}

int session_show_data(struct session *session, const struct flow *flow, enum nx_direction direction,
                      uint64_t offset, const void *bytes, size_t size)
{
        struct wire_writer *writer;
        int slot, r;

        if (session->channel.fd < 0)
                return -EPIPE;
        slot = put_in_slot(session, bytes, size);
        if (slot < 0 && size > WIRE_DATA_MAX)
                size = WIRE_DATA_MAX;
        writer = begin(session, NX_MSG_PROVIDER_FLOW_DATA, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow->id);
        wire_put(writer, WIRE_ATTR_DIRECTION, direction);
        wire_put(writer, WIRE_ATTR_OFFSET, offset);
        if (slot < 0) {
                wire_put_bytes(writer, WIRE_ATTR_DATA, bytes, size);
        } else {
                wire_put(writer, WIRE_ATTR_SLOT, (uint64_t)slot);
                wire_put(writer, WIRE_ATTR_COUNT, size);
        }
        r = channel_end(&session->channel);
        if (r < 0 && slot >= 0)
                (void)shared_release(&session->shared, (uint64_t)slot);
        return r < 0 ? r : (int)size;
}

int session_tell_complete(struct session *session, const struct flow *flow,
                          enum nx_direction direction)
{
        struct wire_writer *writer;

        if (session->channel.fd < 0)
                return -EPIPE;
        writer = begin(session, NX_MSG_PROVIDER_FLOW_COMPLETE, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow->id);
        wire_put(writer, WIRE_ATTR_DIRECTION, direction);
        return channel_end(&session->channel);
}

bool session_can_take(const struct session *session)
{
        return session->channel.fd >= 0 && !channel_is_full(&session->channel);
}

int session_hand_over(struct session *session, const struct flow *flow, int fd)
{
        struct wire_writer *writer;

        if (session->channel.fd < 0)
                return -EPIPE;
        writer = begin(session, NX_MSG_PROVIDER_FLOW_SOCKET, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow->id);
        return channel_end_with_fd(&session->channel, fd);
}

void session_tell_closed(struct session *session, const struct flow *flow,
                         const struct session_flow_end *end)
{
        if (session->channel.fd >= 0)
                tell_closed(session, flow->id, end);
}

void session_report_flow(struct session *session, const struct flow *flow,
                         const struct session_report *report)
{
        struct wire_writer *writer;

        if (session->channel.fd < 0)
                return;
        writer = channel_begin(&session->channel, NX_MSG_PROVIDER_FLOW_REPORT, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow->id);
        wire_put(writer, WIRE_ATTR_REPORT_EVENT, report->event);
        wire_put(writer, WIRE_ATTR_ACTION, report->action);
        if (report->has_counts) {
                wire_put(writer, WIRE_ATTR_BYTES_OUTBOUND, report->bytes.outbound);
                wire_put(writer, WIRE_ATTR_BYTES_INBOUND, report->bytes.inbound);
        }
        (void)channel_end(&session->channel);
}

static int on_news_pause_over(void *userdata)
{
        struct session *session = userdata;

        session->is_urgent = true; /* the end of this round sends it */
        return 0;
}

static bool waits_for_more(struct session *session)
{
        struct loop *loop = session->chain->loop;

        if (session->is_urgent || session->channel.writer.size == 0)
                return false;
        if (list_is_empty(&session->news_timer.link))
                loop_timer_start(loop, &session->news_timer, now_ns() + NEWS_PAUSE_NS);
        return true;
}

void session_flush(struct session *session)
{
        bool wants_write;

        if (session->channel.fd < 0 || waits_for_more(session))
                return;
        session->is_urgent = false;
        if (channel_flush(&session->channel) < 0)
                return; /* the end of the channel is met when it is read */
        wants_write = channel_wants_write(&session->channel);
        if (wants_write == session->wants_write)
                return;
        session->wants_write = wants_write;
        (void)loop_modify(session->chain->loop, &session->io,
                          wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
        if (!wants_write)
                session->chain->deliverer->retry_session(session->chain->deliveries, session);
}

void session_look_again(struct session *session)
{
        if (list_is_empty(&session->verdict_timer.link))
                loop_timer_start(session->chain->loop, &session->verdict_timer,
                                 now_ns() + LOOK_AGAIN_NS);
}

void session_ask_to_drain(struct session *session)
{
        session->asked_to_drain = true;
        begin(session, NX_MSG_PROVIDER_DRAIN, 0);
        (void)channel_end(&session->channel);
}

void session_stop(struct session *session, enum nx_provider_stop_reason reason)
{
        struct wire_writer *writer;

        if (session->channel.fd >= 0) {
                writer = begin(session, NX_MSG_PROVIDER_STOP, session->slot);
                wire_put(writer, WIRE_ATTR_COUNT, reason);
                if (channel_end(&session->channel) >= 0)
                        (void)channel_flush(&session->channel);
        }
        packet_session_deinit(session); /* what waits goes on: nobody is asked any more */
        close_channel(session);
        session->chain->deliverer->end_session(session->chain->deliveries, session);
        session->rules = settings_free(session->rules);
        session->provider = PROVIDER_ABSENT;
}
