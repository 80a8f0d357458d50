/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Verdicts of this round go first: one that lets a datagram pass makes the kernel remember the
 * flow. Then the program's socket is aborted, before what is with us is cut, so that the program
 * is told the same wherever its bytes were. Where the kernel cannot do that, it refuses the
 * segments of the connection: its program is told when it says something next.
 */

#include "chain/ending.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "base/cleanup.h"
#include "flow/table.h"
#include "steer/hooks.h"
#include "steer/leftovers.h"
#include "steer/passed.h"
#include "steer/queue.h"
#include "steer/sockets.h"

/* -ENOENT: it has none any more, or the kernel keeps only the memory of it. */
static int abort_socket(struct flow *flow)
{
        const struct socket_name name = {
                .protocol = flow->protocol,
                .local = flow->local,
                .remote = flow->remote,
                .cookie = flow->socket_cookie,
                .interface = flow->interface,
                .is_closed = flow->closed_ns != 0,
        };
        struct socket_found found;
        int r;

        r = sockets_find(&name, &found);
        if (r < 0)
                return r;
        if (found.tally.state == BPF_TCP_TIME_WAIT)
                return -ENOENT;
        if (flow->protocol == IPPROTO_TCP)
                reports_note_tally(flow, &found.tally);
        if (!found.is_connected)
                return 0; /* it has other peers as well */
        if (!flow->local.port)
                flow->local = sockets_local(&found);
        return sockets_destroy(&found);
}

static void set_ended(struct flow *flow, const struct ending *ending)
{
        flow->ended_by = ending->by;
        free(flow->ended_session);
        flow->ended_session = ending->session ? strdup(ending->session->name) : NULL;
}

void ending_note(struct chain *chain, struct flow *flow, const struct ending *ending)
{
        set_ended(flow, ending);
        if (flow->closed_ns)
                return;
        list_remove(&flow->waiting);
        flow_table_close(chain->flows, flow, now_ns());
        chain->listener.flow_closed(flow, chain->listener.userdata);
}

/* What its program has closed may have bytes on the way; only a cookie tells that they are its. */
static bool has_known_socket(const struct flow *flow)
{
        if (flow->direction == NX_DIRECTION_OUTBOUND)
                return flow->socket_cookie != 0;
        return !flow->closed_ns && !flow->delivery;
}

static int end_connection(struct chain *chain, struct flow *flow)
{
        bool is_ours = flow->delivery != NULL;
        int r = flow->closed_ns ? -ENOENT : -EOPNOTSUPP;

        if (has_known_socket(flow))
                r = abort_socket(flow);
        if (r == -EOPNOTSUPP && chain->cuts && !is_ours && flow->local.port)
                r = passed_cut(chain->passed, &flow->local, &flow->remote);
        if (is_ours)
                chain->deliverer->cut(flow);
        return is_ours && (r == -ENOENT || r == -EOPNOTSUPP) ? 0 : r;
}

void ending_forget(struct chain *chain, const struct flow *flow)
{
        if (flow->protocol != IPPROTO_UDP)
                return;
        if (flow->direction == NX_DIRECTION_OUTBOUND && !flow->is_delivered &&
            !flow_was_ended(flow))
                passed_forget_plain(chain->passed, &flow->local, &flow->remote, flow->n_lined > 0);
        else
                passed_forget(chain->passed, &flow->local, &flow->remote);
}

/* The kernel refuses what comes from here on, so the rest need not be done at once. */
static int end_datagrams(struct chain *chain, struct flow *flow, const struct ending *ending)
{
        int r;

        if (flow->closed_ns)
                return -ENOENT;
        if (flow->is_for_group) { /* its datagrams go on to others */
                ending_note(chain, flow, ending);
                return 0;
        }
        r = passed_end(chain->passed, &flow->local, &flow->remote);
        if (r < 0)
                return r;
        leftovers_add(chain->leftovers, &flow->local, &flow->remote);
        ending_note(chain, flow, ending);
        if (flow->delivery)
                chain->deliverer->cut(flow);
        if (flow->direction == NX_DIRECTION_OUTBOUND)
                (void)abort_socket(flow);
        return 0;
}

static bool carries_on(const struct flow *flow, const void *userdata)
{
        const struct flow *origin = userdata;

        return flow->origin_flow == origin->id;
}

/* An extension has the flow's bytes, and sends them on through flows of its own. They come last: an
 * extension that loses them resets the program's connection, which would not be told by us then. */
static void end_carriers(struct chain *chain, const struct flow *flow, const struct ending *ending)
{
        _cleanup_free_ uint64_t *ids = NULL;
        ssize_t n;

        if (flow->verdict != NX_VERDICT_CLAIM)
                return;
        n = flow_table_select(chain->flows, carries_on, flow, &ids);
        for (ssize_t i = 0; i < n; i++) {
                struct flow *carrier = flow_table_find(chain->flows, ids[i]);

                if (carrier)
                        (void)ending_end(chain, carrier, ending);
        }
}

static void deny_held(struct chain *chain, struct flow *flow, const struct ending *ending)
{
        struct session *waits_for = flow->waits_for;

        set_ended(flow, ending);
        if (flow->delivery)
                chain->deliverer->cut(flow);
        else if (waits_for)
                session_tell_closed(waits_for, flow,
                                    &(struct session_flow_end){ .error = -ECONNABORTED });
        chain_deny(chain, ending->session, flow, WIRE_REASON_ENDED, NX_VERDICT_REFUSE);
}

int ending_end(struct chain *chain, struct flow *flow, const struct ending *ending)
{
        int r;

        if (flow->verdict == NX_VERDICT_NONE) {
                deny_held(chain, flow, ending);
                return 0;
        }
        if (flow_was_ended(flow) ||
            (flow->verdict != NX_VERDICT_ALLOW && flow->verdict != NX_VERDICT_CLAIM))
                return -EALREADY;
        queue_flush(chain->queue);
        r = flow->protocol == IPPROTO_UDP ? end_datagrams(chain, flow, ending)
                                          : end_connection(chain, flow);
        if (r < 0 && r != -ENOENT)
                return r;
        if (r >= 0)
                ending_note(chain, flow, ending);
        end_carriers(chain, flow, ending);
        return r == -ENOENT ? -EALREADY : 0;
}

bool ending_may(const struct chain *chain, const struct session *session, const struct flow *flow)
{
        uint64_t bit = 1ULL << session->slot;

        if (session->kind != NX_PROVIDER_KIND_FILTER || flow->owner == WIRE_OWNER_KERNEL ||
            session->activation > flow->newest_session || flow->skip_slots & bit)
                return false;
        if (flow->direction == NX_DIRECTION_INBOUND &&
            !(hooks_state(chain->hooks)->inbound_slots & bit))
                return false;
        return flow->asked_slots & bit || !(flow->judged.ask_slots & bit);
}
