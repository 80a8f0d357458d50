/* SPDX-License-Identifier: Apache-2.0 */

/* The kernel tells of each process that has a socket; a flow is the oldest one's. */

#include "engine/older.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "engine/intake.h"
#include "flow/table.h"
#include "owner/owner.h"
#include "steer/open-sockets.h"

struct search {
        struct intake *intake;
        bool takes_inbound;
};

static struct endpoint endpoint_of(const struct steer_address *address, uint16_t port)
{
        struct endpoint endpoint = { .port = port };

        memcpy(&endpoint.address, address, sizeof(endpoint.address));
        return endpoint;
}

static struct flow *find_flow(const struct intake *intake, const struct flow *model)
{
        struct flow *flow = flow_table_find_socket(intake->flows, model->socket_cookie);

        if (flow && flow->protocol == IPPROTO_UDP && !endpoint_equal(&flow->remote, &model->remote))
                flow = NULL;
        if (!flow) /* of one that came in while somebody looked, the socket is not known */
                flow = flow_table_find_tuple(intake->flows, model->protocol, &model->local,
                                             &model->remote);
        return flow && !flow->closed_ns ? flow : NULL;
}

static void set_holder(struct intake *intake, struct flow *flow, const struct steer_owner *owner)
{
        owners_put_process(intake->owners, flow->process);
        owners_put_process(intake->owners, flow->creator);
        flow->process = flow->creator = NULL;
        intake_set_owner(intake, flow, owner);
}

static void on_open_socket(const struct steer_open_socket *socket, void *userdata)
{
        const struct search *search = userdata;
        const struct steer_owner *owner = &socket->owner;
        struct intake *intake = search->intake;
        struct flow model = {
                .protocol = owner->protocol,
                .direction = (enum nx_direction)socket->direction,
                .local = endpoint_of(&socket->local, socket->local_port),
                .remote = endpoint_of(&owner->remote, owner->remote_port),
                .socket_cookie = owner->cookie,
                .is_older = true,
                .verdict = NX_VERDICT_ALLOW,
                .reason = WIRE_REASON_OLDER,
        };
        struct flow *flow = find_flow(intake, &model);

        if (flow && flow->is_older && flow->process &&
            memcmp(&flow->process->key, &owner->process, sizeof(owner->process)) != 0)
                set_holder(intake, flow, owner);
        if (flow || owner->origin_flow || /* whose bytes those are is not known any more */
            (model.direction == NX_DIRECTION_INBOUND && !search->takes_inbound))
                return;
        intake_set_owner(intake, &model, owner);
        (void)flow_table_add(intake->flows, &model);
}

static void find(struct search *search)
{
        int r = open_sockets_list(search->intake->hooks, on_open_socket, search);

        if (r < 0)
                log_debug("flows that are older than us cannot be found: %s", strerror(-r));
}

void older_find(struct intake *intake)
{
        find(&(struct search){ .intake = intake, .takes_inbound = true });
}

void older_find_unknown(struct intake *intake)
{
        find(&(struct search){ .intake = intake,
                               .takes_inbound = hooks_state(intake->hooks)->inbound_slots != 0 });
}
