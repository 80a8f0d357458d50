/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rules cannot be judged before the digest is known that one of them names, so the flow
 * waits for it in front of all sessions, and is judged then as if it came just now. A digest
 * that cannot be had, or not in time, is no rule's digest.
 */

#include <errno.h>

#include "base/loop.h"
#include "chain/chain.h"
#include "chain/identify.h"
#include "digest/digests.h"

#define IDENTIFY_NS 5000000000ULL

static void go_on(struct chain *chain, struct flow *flow)
{
        struct steer_outcome outcome;

        list_remove(&flow->waiting);
        chain_judge(chain, flow, &outcome);
        chain_enter(chain, flow, &outcome);
}

static void go_on_without(struct chain *chain, struct flow *flow)
{
        flow->has_no_digest = true;
        go_on(chain, flow);
}

/* Whether the flow has to wait; else it has gone on. */
static bool try(struct chain *chain, struct flow *flow)
{
        struct process *program = chain_program(flow);
        int r = -ESRCH;

        if (program)
                r = digests_identify(chain->digests, program, &flow->digest_request);
        if (r == DIGESTS_E_COMING)
                return true;
        if (r == DIGESTS_E_LATER) {
                flow->digest_request = 0;
                return true;
        }
        if (r < 0)
                go_on_without(chain, flow);
        else
                go_on(chain, flow);
        return false;
}

void identify_flow(struct chain *chain, struct flow *flow)
{
        if (!try(chain, flow))
                return;
        flow->waits_for = NULL; /* no provider is asked yet, or any more */
        flow->deadline_ns = now_ns() + IDENTIFY_NS;
        if (list_is_empty(&chain->unidentified))
                loop_timer_start(chain->loop, &chain->identify_timer, flow->deadline_ns);
        list_append(&chain->unidentified, &flow->waiting);
}

/* Those who were told to come later have their turn as well. */
void identify_settled(struct chain *chain, uint64_t request, bool is_known)
{
        struct flow *flow, *following;

        list_for_each_safe (flow, following, &chain->unidentified, waiting) {
                if (flow->digest_request == request && !is_known)
                        go_on_without(chain, flow);
                else if (flow->digest_request == request || flow->digest_request == 0)
                        (void)try(chain, flow);
        }
}

void identify_let_go(struct chain *chain)
{
        struct flow *flow;

        while ((flow = list_first(&chain->unidentified, struct flow, waiting)))
                go_on_without(chain, flow);
}

int identify_timeout(void *userdata)
{
        struct chain *chain = userdata;
        uint64_t now = now_ns();
        struct flow *flow;

        while ((flow = list_first(&chain->unidentified, struct flow, waiting))) {
                if (flow->deadline_ns > now) {
                        loop_timer_start(chain->loop, &chain->identify_timer, flow->deadline_ns);
                        break;
                }
                go_on_without(chain, flow);
        }
        return 0;
}
