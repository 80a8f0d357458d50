/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The hooks leave a record of each datagram that says where it goes, for who reads the queue. It
 * stays when nobody needs it, so whose it is costs a program nothing.
 */

#include <string.h>

#include "flow/sender.h"
#include "owner/owner.h"
#include "steer/hooks.h"

/* What was denied is the owner's attempt, and one that is held has just begun. */
static bool has_datagrams(const struct flow *flow)
{
        return flow->protocol == IPPROTO_UDP && flow->direction == NX_DIRECTION_OUTBOUND &&
               flow->socket_cookie && flow->local.port && flow->verdict != NX_VERDICT_NONE &&
               flow->verdict != NX_VERDICT_REFUSE && flow->verdict != NX_VERDICT_DROP;
}

struct process *sender_find(struct owners *owners, const struct flow *flow)
{
        struct steer_owner sender;

        if (!has_datagrams(flow) ||
            !hooks_find_sender(owners->hooks, flow->local.port, &flow->remote, &sender) ||
            sender.cookie != flow->socket_cookie || sender.kind != STEER_OWNER_PROGRAM ||
            (flow->process &&
             memcmp(&flow->process->key, &sender.process, sizeof(sender.process)) == 0))
                return NULL;
        return owners_get_user(owners, &sender.process);
}
