/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Without a loop a flow and those behind it pass each proxy at most once, whatever their
 * destinations. So a count above twice their number, to be generous to wrong guesses about
 * who waits for whom, means that they go round.
 */

#include <stdio.h>

#include "base/log.h"
#include "chain/chain.h"
#include "chain/loops.h"

#define REPORT_PAUSE_NS 10000000000ULL
#define LOOK_BACK       256 /* flows that are not open yet: enough to meet who is on its way */

/* The session whose extension the flow's program is, or NULL. */
static struct session *session_of_owner(const struct chain *chain, const struct flow *flow)
{
        for (size_t i = 0; flow->cgroup_id && i < chain->n_sessions; i++)
                if (chain->order[i]->cgroup_id == flow->cgroup_id)
                        return chain->order[i];
        return NULL;
}

unsigned int loop_hops(const struct chain *chain, const struct flow *flow)
{
        const struct session *session = session_of_owner(chain, flow);
        const struct flow *newest, *behind;
        const struct list *link;

        if (!session || list_is_empty(&session->opening))
                return 0;
        link = session->opening.prev;
        newest = container_of(link, struct flow, waiting);
        for (int i = 0; i < LOOK_BACK && link != &session->opening; i++, link = link->prev) {
                behind = container_of(link, struct flow, waiting);
                if (endpoint_equal(&behind->remote, &flow->remote))
                        return behind->hops + 1;
        }
        return newest->hops + 1;
}

bool loop_is_closed(const struct chain *chain, const struct flow *flow)
{
        unsigned int n_proxies = 0;

        for (size_t i = 0; i < chain->n_sessions; i++)
                n_proxies += session_is_proxy(chain->order[i]);
        return flow->hops > 2 * n_proxies;
}

void loop_report(const struct chain *chain, const struct flow *flow)
{
        static uint64_t reported_ns;
        char remote[ENDPOINT_TEXT_MAX], names[256] = "";
        size_t size = 0;

        if (reported_ns && now_ns() - reported_ns < REPORT_PAUSE_NS)
                return;
        reported_ns = now_ns();
        for (size_t i = 0; i < chain->n_sessions && size < sizeof(names); i++)
                if (!list_is_empty(&chain->order[i]->opening))
                        size += (size_t)snprintf(names + size, sizeof(names) - size, "%s%s",
                                                 size ? ", " : "", chain->order[i]->name);
        log_warning("a loop: flows to %s go round through the proxies %s and are refused; their "
                    "extensions should say whose flow a socket carries on (nx_flow_attach)",
                    endpoint_to_string(&flow->remote, remote), names);
}
