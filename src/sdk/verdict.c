/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A verdict is returned by handle_new_flow or handle_peek, or given later, to
 * nx_flow_resume(). It is batched, and the flow becomes what it is by it: decided, or
 * kept because there is more to be said about it.
 *
 * verdict_ask() is the hot path: one datagram, no system call and, because a flow is
 * made from the one before, no allocation; the answers leave as one batch.
 */

#include <errno.h>

#include "sdk/ask.h"
#include "sdk/claim.h"
#include "sdk/inspect.h"
#include "sdk/kept.h"
#include "sdk/peek.h"
#include "sdk/provider.h"
#include "sdk/public.h"
#include "sdk/verdict.h"

_Static_assert(NX_FLOW_REMEMBER_MAX == WIRE_REMEMBER_S_MAX, "flowd takes what the SDK does");

static bool is_final(enum nx_verdict verdict)
{
        return verdict == NX_VERDICT_ALLOW || verdict == NX_VERDICT_DROP ||
               verdict == NX_VERDICT_REFUSE;
}

static int send_verdict(struct session *session, const struct nx_flow *flow,
                        enum nx_verdict verdict)
{
        struct channel *channel = &session->engine.channel;
        struct wire_writer *answer;

        answer = channel_begin(channel, NX_MSG_ENGINE_VERDICT, 0);
        wire_put(answer, WIRE_ATTR_FLOW, flow->identifier);
        wire_put(answer, WIRE_ATTR_VERDICT, (uint64_t)verdict);
        if (verdict == NX_VERDICT_PEEK)
                peek_put(flow, answer);
        if (verdict == NX_VERDICT_FILTER_DATA)
                inspect_put(flow, answer);
        if (flow->remember_s > 0 && is_final(verdict))
                wire_put(answer, WIRE_ATTR_REMEMBER_S, flow->remember_s);
        if (flow->wants_reports && verdict != NX_VERDICT_PAUSE)
                wire_put(answer, WIRE_ATTR_REPORT_FREQUENCY, flow->report_frequency);
        ask_put(flow, answer);
        return channel_end(channel);
}

static int answer(struct session *session, struct nx_flow *flow, enum nx_verdict verdict)
{
        int r;

        r = send_verdict(session, flow, verdict);
        if (r < 0)
                return r;
        kept_end(flow, FLOW_DECIDED);
        ask_forget(flow);
        switch (verdict) {
        case NX_VERDICT_PAUSE:
                kept_begin(flow, FLOW_PAUSED);
                return flow->question ? ask_begin(session, flow) : 0;
        case NX_VERDICT_PEEK:
                kept_begin(flow, FLOW_PEEKED);
                return 0;
        case NX_VERDICT_FILTER_DATA:
                kept_begin(flow, FLOW_INSPECTED);
                return 0;
        case NX_VERDICT_CLAIM:
                return claim_begin(flow);
        default:
                if (flow->wants_reports)
                        kept_begin(flow, FLOW_REPORTED);
                return 0;
        }
}

/* A verdict that this flow cannot have, "PEEK, but …"; or NULL. */
static const char *problem_of(const struct nx_flow *flow, enum nx_verdict verdict)
{
        switch (verdict) {
        case NX_VERDICT_PEEK:
                return peek_problem(flow);
        case NX_VERDICT_FILTER_DATA:
                return inspect_problem(flow);
        default:
                return NULL;
        }
}

static int check_returned(struct session *session, const struct nx_flow *flow,
                          enum nx_verdict verdict, const char *function)
{
        const char *problem;

        if (verdict != NX_VERDICT_PAUSE && !session->role->verdict_is_known(verdict))
                return provider_fail(session->provider, -EPROTO, "%s returned %d; a verdict is %s",
                                     function, (int)verdict, session->role->verdicts);
        if (verdict != NX_VERDICT_CLAIM && flow->way != FLOW_WAY_NONE)
                return provider_fail(session->provider, -EPROTO,
                                     "%s opened, failed or spliced flow %llu and then did not "
                                     "return CLAIM",
                                     function, (unsigned long long)flow->identifier);
        problem = problem_of(flow, verdict);
        if (problem)
                return provider_fail(session->provider, -EPROTO, "%s answered flow %llu with %s",
                                     function, (unsigned long long)flow->identifier, problem);
        return 0;
}

int verdict_returned(struct session *session, struct nx_flow *flow, enum nx_verdict verdict,
                     const char *function)
{
        int r;

        r = check_returned(session, flow, verdict, function);
        if (r >= 0)
                r = answer(session, flow, verdict);
        flow->upstream_fd = close_fd(flow->upstream_fd); /* where it was not sent */
        return r;
}

int verdict_ask(struct session *session, const struct wire_message *message)
{
        _cleanup_(cleanup_flow) struct nx_flow *flow = NULL;

        if (!session->run)
                return provider_fail_message(session->provider, "netext-flowd", message->type);
        flow = flow_new(session->run, message);
        if (!flow)
                return provider_fail(session->provider, -ENOMEM, "No memory for a flow");
        return verdict_returned(session, flow, session->role->decide(session, flow),
                                "handle_new_flow");
}

int verdict_is_due(const struct nx_flow *flow)
{
        if (!flow->run->session || flow->state == FLOW_OVER)
                return -ESTALE;
        return flow->state == FLOW_ASKED || flow->state == FLOW_PAUSED ? 0 : -EINVAL;
}

_public_ int nx_flow_remember(struct nx_flow *flow, unsigned int seconds)
{
        int r;

        r = verdict_is_due(flow);
        if (r < 0)
                return r;
        if (flow->run->session->role != &filter_role || seconds > NX_FLOW_REMEMBER_MAX ||
            flow->direction != NX_DIRECTION_OUTBOUND)
                return -EINVAL;
        flow->remember_s = seconds;
        return 0;
}

int verdict_settle(struct nx_flow *flow, enum nx_verdict verdict, enum wire_reason reason)
{
        struct session *session = flow->run->session;
        int r;

        flow->reason = reason;
        r = answer(session, flow, verdict);
        if (r < 0)
                return r;
        provider_flush_soon(session->provider);
        return 0;
}

_public_ int nx_flow_resume(struct nx_flow *flow, enum nx_verdict verdict)
{
        struct session *session = flow->run->session;
        int r;

        if (!session || flow->state == FLOW_OVER)
                return -ESTALE;
        if (!session->role->verdict_is_known(verdict))
                return -EINVAL;
        if (flow->state != FLOW_PAUSED)
                return -EALREADY;
        if (problem_of(flow, verdict))
                return -EINVAL;
        r = answer(session, flow, verdict);
        if (r < 0)
                return r;
        provider_flush_soon(session->provider);
        return 0;
}
