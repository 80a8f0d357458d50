/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table has a reference to each of its flows, so that an extension need not keep
 * them; except to paused ones: whoever pauses a flow keeps it, and that it is let go
 * without an answer has to be seen.
 *
 * A number that is not in the table is no fault: an end that flowd tells and a verdict
 * that we send can cross.
 */

#include "sdk/kept.h"

static uint64_t hash_of(uint64_t identifier)
{
        return htable_hash(&identifier, sizeof(identifier));
}

struct nx_flow *kept_find(const struct session *session, const struct wire_message *message)
{
        uint64_t identifier = wire_get(message, WIRE_ATTR_FLOW);
        struct nx_flow *flow;

        if (!session->run)
                return NULL;
        htable_for_each_match (flow, &session->run->kept, hash_of(identifier), kept)
                if (flow->identifier == identifier)
                        return flow;
        return NULL;
}

void kept_begin(struct nx_flow *flow, enum flow_state state)
{
        htable_add(&flow->run->kept, &flow->kept, hash_of(flow->identifier));
        flow->state = state;
        if (state != FLOW_PAUSED)
                nx_flow_ref(flow);
}

void kept_end(struct nx_flow *flow, enum flow_state state)
{
        bool is_held = flow->kept.previous && flow->state != FLOW_PAUSED;

        htable_remove(&flow->run->kept, &flow->kept);
        flow->state = state;
        if (is_held)
                nx_flow_unref(flow);
}

void kept_end_all(struct session_run *run)
{
        for (size_t i = 0; i < run->kept.n_buckets; i++)
                while (run->kept.buckets[i])
                        kept_end(container_of(run->kept.buckets[i], struct nx_flow, kept),
                                 FLOW_OVER);
}
