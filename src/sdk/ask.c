/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nx_flow_ask() writes the question down; it is put when the flow is paused. Flows that it is the
 * same question for wait for one answer. Whatever it is, an answer comes: netextd says at once
 * where there is nobody to ask, and the time is measured here, so nothing hangs by netextd.
 *
 * Each flow that waits has a reference of ours.
 */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <netext/ask.h>

#include "sdk/answers.h"
#include "sdk/ask.h"
#include "sdk/check.h"
#include "sdk/flow.h"
#include "sdk/provider.h"
#include "sdk/public.h"
#include "sdk/verdict.h"
#include "wire/question.h"

#define LABEL_LENGTH_MAX 63
#define NS_PER_MS        1000000ULL

struct ask {
        struct list link; /* asks.open */
        struct session *session;
        uint64_t number;
        struct letter *question; /* owned */
        struct list flows;       /* nx_flow.asking */
        struct loop_timer timer;
        bool is_over;
};

void asks_init(struct asks *asks)
{
        list_init(&asks->open);
}

static struct ask *ask_free(struct ask *ask)
{
        list_remove(&ask->link);
        loop_timer_stop(&ask->timer);
        free(ask->question);
        free(ask);
        return NULL;
}

/* --- what netextd hears ------------------------------------------------------------------- */

static struct peer *manager_of(const struct session *session)
{
        return &session->provider->control.manager;
}

static int put_question(const struct ask *ask)
{
        struct channel *channel = &manager_of(ask->session)->channel;
        struct wire_writer *writer;
        int r;

        if (!peer_is_open(manager_of(ask->session)))
                return -ENOTCONN;
        writer = channel_begin(channel, NX_MSG_MANAGER_QUESTION, 0);
        wire_put_copies(writer, &ask->question->message, ~WIRE_HAS(QUESTION));
        wire_put(writer, WIRE_ATTR_QUESTION, ask->number);
        r = channel_end(channel);
        provider_flush_soon(ask->session->provider);
        return r;
}

static void withdraw(const struct ask *ask, int result)
{
        struct channel *channel = &manager_of(ask->session)->channel;
        struct wire_writer *writer;

        if (!peer_is_open(manager_of(ask->session)))
                return;
        writer = channel_begin(channel, NX_MSG_MANAGER_QUESTION_OVER, 0);
        wire_put(writer, WIRE_ATTR_QUESTION, ask->number);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        (void)channel_end(channel);
        provider_flush_soon(ask->session->provider);
}

/* --- the flows ---------------------------------------------------------------------------- */

static void let_go(struct nx_flow *flow)
{
        list_remove(&flow->asking);
        flow->ask = NULL;
        nx_flow_unref(flow);
}

void ask_forget(struct nx_flow *flow)
{
        struct ask *ask = flow->ask;

        if (!ask)
                return;
        let_go(flow);
        if (ask->is_over || !list_is_empty(&ask->flows))
                return;
        withdraw(ask, -ECANCELED);
        ask_free(ask);
}

void ask_put(const struct nx_flow *flow, struct wire_writer *writer)
{
        if (!flow->reason)
                return;
        wire_put(writer, WIRE_ATTR_REASON, flow->reason);
        wire_put_string(writer, WIRE_ATTR_RULE,
                        wire_get_string(&flow->question->message, WIRE_ATTR_RULE));
}

/* Ends the question, and answers its flows. */
static int settle(struct ask *ask, enum nx_verdict verdict, enum wire_reason reason)
{
        struct nx_flow *flow;
        int r = 0;

        ask->is_over = true;
        while ((flow = list_first(&ask->flows, struct nx_flow, asking))) {
                int error;

                nx_flow_ref(flow);
                error = verdict_settle(flow, verdict, reason);
                if (flow->ask) /* it could not be sent: there is no flowd to hear it */
                        let_go(flow);
                nx_flow_unref(flow);
                r = r < 0 ? r : error;
        }
        ask_free(ask);
        return r;
}

static int on_time_over(void *userdata)
{
        struct ask *ask = userdata;

        withdraw(ask, -ETIMEDOUT);
        (void)settle(ask, NX_VERDICT_NONE, WIRE_REASON_UNANSWERED);
        return 0;
}

static struct ask *find_same(const struct session *session, const struct nx_flow *flow)
{
        struct ask *ask;

        list_for_each (ask, &session->provider->asks.open, link)
                if (ask->session == session &&
                    question_is_same(&ask->question->message, &flow->question->message))
                        return ask;
        return NULL;
}

static struct ask *ask_new(struct session *session, const struct nx_flow *flow)
{
        const struct wire_message *question = &flow->question->message;
        struct nx_provider *provider = session->provider;
        struct ask *ask = malloc(sizeof(*ask));

        if (!ask)
                return NULL;
        *ask = (struct ask){
                .session = session,
                .number = ++provider->asks.last_number,
                .question = letter_new(question->type, question, ~(wire_attributes)0),
        };
        list_init(&ask->flows);
        list_append(&provider->asks.open, &ask->link);
        loop_timer_init(&ask->timer, on_time_over, ask);
        if (!ask->question)
                return ask_free(ask);
        loop_timer_start(&provider->loop, &ask->timer,
                         now_ns() + wire_get(question, WIRE_ATTR_TIMEOUT_MS) * NS_PER_MS);
        return ask;
}

int ask_begin(struct session *session, struct nx_flow *flow)
{
        enum nx_verdict verdict = answers_find(session, &flow->question->message);
        struct ask *ask;

        if (verdict != NX_VERDICT_NONE)
                return verdict_settle(flow, verdict, WIRE_REASON_KEPT_ANSWER);
        ask = find_same(session, flow);
        if (ask) {
                flow->ask = ask;
                list_append(&ask->flows, &nx_flow_ref(flow)->asking);
                return 0;
        }
        ask = ask_new(session, flow);
        if (!ask)
                return verdict_settle(flow, NX_VERDICT_NONE, WIRE_REASON_QUESTION_QUOTA);
        flow->ask = ask;
        list_append(&ask->flows, &nx_flow_ref(flow)->asking);
        return put_question(ask) < 0 ? settle(ask, NX_VERDICT_NONE, WIRE_REASON_NOBODY_ATTACHED)
                                     : 0;
}

/* --- how it ends -------------------------------------------------------------------------- */

void asks_end_session(struct session *session)
{
        struct ask *ask, *following;
        struct nx_flow *flow;

        list_for_each_safe (ask, following, &session->provider->asks.open, link) {
                if (ask->session != session)
                        continue;
                while ((flow = list_first(&ask->flows, struct nx_flow, asking)))
                        let_go(flow);
                withdraw(ask, -ESTALE);
                ask_free(ask);
        }
}

void asks_lose_daemon(struct nx_provider *provider)
{
        struct ask *ask;

        while ((ask = list_first(&provider->asks.open, struct ask, link)))
                (void)settle(ask, NX_VERDICT_NONE, WIRE_REASON_NOBODY_ATTACHED);
}

static struct ask *find_number(struct nx_provider *provider, uint64_t number)
{
        struct ask *ask;

        list_for_each (ask, &provider->asks.open, link)
                if (ask->number == number)
                        return ask;
        return NULL;
}

int asks_handle_answer(struct nx_provider *provider, const struct wire_message *message)
{
        enum nx_verdict verdict = (enum nx_verdict)wire_get(message, WIRE_ATTR_VERDICT);
        enum wire_reason reason = (enum wire_reason)wire_get(message, WIRE_ATTR_REASON);
        int result = wire_get_i32(message, WIRE_ATTR_RESULT);
        struct ask *ask = find_number(provider, wire_get(message, WIRE_ATTR_QUESTION));

        if (!ask)
                return 0; /* it and the end of its time have crossed */
        if (result < 0)
                return settle(ask, NX_VERDICT_NONE,
                              result == -ENOSPC ? WIRE_REASON_QUESTION_QUOTA
                                                : WIRE_REASON_NOBODY_ATTACHED);
        if ((verdict != NX_VERDICT_ALLOW && verdict != NX_VERDICT_REFUSE) ||
            (reason != WIRE_REASON_ANSWERED && reason != WIRE_REASON_KEPT_ANSWER))
                return provider_fail_message(provider, "netextd", message->type);
        return settle(ask, verdict, reason);
}

/* --- nx_flow_ask() ------------------------------------------------------------------------ */

/* The program is the origin's, as in rules. */
static void put_program(struct wire_writer *writer, const struct nx_flow *flow)
{
        bool is_carried = flow->origin_flow != 0;
        uint32_t uid = is_carried ? flow->origin_uid : flow->uid;
        int32_t pid = is_carried ? flow->origin_pid : flow->pid;

        if (uid != UINT32_MAX)
                wire_put(writer, WIRE_ATTR_UID, uid);
        if (pid >= 0)
                wire_put(writer, WIRE_ATTR_PID, (uint64_t)pid);
        if (!is_carried && flow->process_started_ns)
                wire_put(writer, WIRE_ATTR_PROCESS_STARTED_NS, flow->process_started_ns);
        wire_put_string(writer, WIRE_ATTR_PROGRAM,
                        flow->texts[is_carried ? FLOW_ORIGIN_PROGRAM : FLOW_PROGRAM]);
        wire_put(writer, WIRE_ATTR_PROGRAM_TRUSTED,
                 is_carried ? flow->is_origin_trusted : flow->is_program_trusted);
        if (!is_carried)
                wire_put_string(writer, WIRE_ATTR_COMMAND_LINE, flow->texts[FLOW_COMMAND_LINE]);
}

/* A datagram that waits longer would be dropped, whatever the session's policy is. */
static uint32_t timeout_of(const struct nx_flow *flow, const struct nx_ask *ask)
{
        uint32_t timeout_ms = ask->timeout_ms ? ask->timeout_ms : NX_ASK_TIMEOUT_MS;

        if (flow->protocol == IPPROTO_UDP && timeout_ms > NX_ASK_DATAGRAM_MS)
                return NX_ASK_DATAGRAM_MS;
        return timeout_ms;
}

static struct letter *write_question(const struct nx_flow *flow, const struct nx_ask *ask)
{
        uint8_t buffer[8192]; /* more than its strings can be */
        struct wire_writer writer;

        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_MANAGER_QUESTION, 0);
        wire_put(&writer, WIRE_ATTR_QUESTION, 0);
        wire_put_string(&writer, WIRE_ATTR_SESSION_NAME, flow->run->session->name);
        wire_put(&writer, WIRE_ATTR_TIMEOUT_MS, timeout_of(flow, ask));
        wire_put_string(&writer, WIRE_ATTR_RULE, ask->label ?: flow->texts[FLOW_RULE]);
        wire_put(&writer, WIRE_ATTR_FLOW, flow->identifier);
        wire_put(&writer, WIRE_ATTR_PROTOCOL, (uint64_t)flow->protocol);
        wire_put(&writer, WIRE_ATTR_DIRECTION, (uint64_t)flow->direction);
        wire_put_address(&writer, WIRE_ATTR_LOCAL_ADDRESS, &flow->local.address);
        wire_put(&writer, WIRE_ATTR_LOCAL_PORT, flow->local.port);
        wire_put_address(&writer, WIRE_ATTR_REMOTE_ADDRESS, &flow->remote.address);
        wire_put(&writer, WIRE_ATTR_REMOTE_PORT, flow->remote.port);
        wire_put_string(&writer, WIRE_ATTR_REMOTE_NAME, flow->texts[FLOW_REMOTE_NAME]);
        put_program(&writer, flow);
        return wire_end(&writer) < 0 ? NULL : letter_from(&writer);
}

_public_ int nx_flow_ask(struct nx_flow *flow, const struct nx_ask *ask)
{
        struct letter *question;

        if (!flow->run->session || flow->state == FLOW_OVER)
                return -ESTALE;
        if (flow->state != FLOW_ASKED || flow->run->session->role != &filter_role ||
            !options_are_known(ask, sizeof(*ask)) || ask->timeout_ms > NX_ASK_TIMEOUT_MS_MAX ||
            (ask->label && strlen(ask->label) > LABEL_LENGTH_MAX))
                return -EINVAL;
        question = write_question(flow, ask);
        if (!question)
                return -ENOMEM;
        free(flow->question);
        flow->question = question;
        return 0;
}
