/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rules decide at once. Where somebody has to be asked the flow walks the chain once more, with the
 * verdict that it had, so that its packets do not wait (flow.is_judged_again).
 */

#include "chain/again.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "chain/ending.h"
#include "flow/table.h"
#include "steer/hooks.h"

static const struct ending judged_again = { .by = WIRE_END_JUDGED_AGAIN };

/* A slot that another session has by now has asked nobody. */
static void forget_earlier_sessions(const struct chain *chain, struct flow *flow)
{
        for (size_t i = 0; i < chain->n_sessions; i++)
                if (chain->order[i]->activation > flow->newest_session)
                        flow->asked_slots &= ~(1ULL << chain->order[i]->slot);
}

static bool has_somebody_to_ask(const struct chain *chain, const struct flow *flow,
                                uint64_t ask_slots)
{
        for (size_t i = 0; i < chain->n_sessions; i++) {
                const struct session *session = chain->order[i];

                if (session->kind == NX_PROVIDER_KIND_FILTER &&
                    (ask_slots & ~flow->asked_slots) >> session->slot & 1)
                        return true;
        }
        return false;
}

/* Its record says why it ended, or why it did before. */
static int end(struct chain *chain, struct flow *flow, const struct steer_outcome *outcome)
{
        struct flow before = { .reason = flow->reason };
        int r;

        if (flow->verdict == NX_VERDICT_NONE)
                return ending_end(chain, flow, &judged_again);
        memcpy(before.decided_by, flow->decided_by, sizeof(before.decided_by));
        memcpy(before.rule, flow->rule, sizeof(before.rule));
        chain_note_outcome(chain, flow, outcome);
        r = ending_end(chain, flow, &judged_again);
        if (r >= 0)
                return r;
        flow->reason = before.reason;
        memcpy(flow->decided_by, before.decided_by, sizeof(flow->decided_by));
        memcpy(flow->rule, before.rule, sizeof(flow->rule));
        return r;
}

static enum again ask(struct chain *chain, struct flow *flow, const struct steer_outcome *outcome)
{
        uint64_t id = flow->id;

        flow->is_judged_again = true;
        list_remove(&flow->waiting);
        chain_enter(chain, flow, outcome);
        flow = flow_table_find(chain->flows, id);
        if (!flow || flow->closed_ns)
                return AGAIN_ENDED;
        return flow->is_judged_again ? AGAIN_ASKED : AGAIN_STAYS;
}

int again_judge(struct chain *chain, struct flow *flow)
{
        struct steer_outcome outcome;
        int r;

        if (flow_state(flow) == WIRE_FLOW_CLOSED || flow_was_ended(flow))
                return AGAIN_OVER;
        if (flow->is_judged_again)
                return AGAIN_ASKED;
        chain_judge(chain, flow, &outcome);
        if (outcome.verdict == STEER_DENY) {
                r = end(chain, flow, &outcome);
                return r == -EALREADY ? AGAIN_OVER : r < 0 ? r : AGAIN_ENDED;
        }
        if (flow->verdict == NX_VERDICT_NONE)
                return AGAIN_ASKED;
        if (flow->delivery || flow->is_delivered)
                return AGAIN_STAYS; /* who has it was asked */
        forget_earlier_sessions(chain, flow);
        flow->newest_session = chain->last_activation;
        if (outcome.wants_digest || has_somebody_to_ask(chain, flow, outcome.ask_slots))
                return ask(chain, flow, &outcome);
        if (outcome.verdict == STEER_ALLOW)
                chain_note_outcome(chain, flow, &outcome);
        return AGAIN_STAYS;
}

void again_decided(struct chain *chain, struct flow *flow, enum nx_verdict verdict)
{
        int r;

        flow->is_judged_again = false;
        flow->waits_for = NULL;
        list_remove(&flow->waiting);
        if (verdict == NX_VERDICT_ALLOW) {
                flow->decided_ns = now_ns();
                chain->listener.flow_decided(flow, chain->listener.userdata);
                return;
        }
        r = ending_end(chain, flow, &judged_again);
        if (r < 0 && r != -EALREADY)
                log_error("flow %" PRIu64 " is denied, and goes on: %s", flow->id, strerror(-r));
}
