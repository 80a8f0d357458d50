/* SPDX-License-Identifier: Apache-2.0 */

/* A resolver is known by the socket that waits for questions, and whoever bound that. */

#include <string.h>

#include "base/loop.h"
#include "base/interface.h"
#include "engine/resolvers.h"
#include "flow/flow.h"
#include "names/answer.h"
#include "owner/owner.h"
#include "steer/hooks.h"

/* Who waits there; false where that is nobody we know. */
static bool find_resolver(struct resolvers *resolvers, const struct flow *flow,
                          struct resolver *ret_resolver)
{
        struct steer_lookup lookup = {
                .local_port = flow->remote.port,
                .remote_port = flow->local.port,
                .protocol = flow->protocol,
                .is_inbound = true,
                .interface = LOOPBACK_INDEX,
        };
        struct process *process;

        memcpy(&lookup.local, &flow->remote.address, sizeof(lookup.local));
        memcpy(&lookup.remote, &flow->local.address, sizeof(lookup.remote));
        hooks_look_up(resolvers->hooks, &lookup, 1);
        if (lookup.found != STEER_FOUND_OWNER)
                return false;
        process = owners_get_process(resolvers->owners, &lookup.owner.process);
        if (!process)
                return false;
        *ret_resolver = (struct resolver){ process->device, process->inode };
        owners_put_process(resolvers->owners, process);
        return true;
}

static void find_asker(struct resolvers *resolvers, struct flow *flow, const char *name)
{
        const struct resolver resolver = { flow->process->device, flow->process->inode };
        struct steer_process_key first;
        unsigned int n;

        n = askers_find(&resolvers->askers, &resolver, name, now_ns(), &first);
        if (n > 0)
                flow->asker = owners_get_process(resolvers->owners, &first);
        flow->has_several_askers = n > 1;
}

void resolvers_take(struct resolvers *resolvers, struct flow *flow, const uint8_t *bytes,
                    size_t size)
{
        char name[ANSWER_NAME_MAX];
        struct resolver resolver;

        if (!flow->process || question_parse(bytes, size, name) < 0)
                return;
        if (!hooks_is_of_this_host(resolvers->hooks, &flow->remote.address))
                find_asker(resolvers, flow, name);
        else if (find_resolver(resolvers, flow, &resolver))
                askers_note(&resolvers->askers, &resolver, name, &flow->process->key, now_ns());
}
