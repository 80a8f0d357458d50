/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whoever comes to a port is found with the next datagram: what the kernel remembers of its senders
 * is taken back, after the verdicts of this round, which make it remember.
 */

#include <stdlib.h>
#include <string.h>

#include "engine/groups.h"
#include "flow/flow.h"
#include "steer/hooks.h"
#include "steer/passed.h"

#define BUCKETS 64

int groups_init(struct groups *groups)
{
        list_init(&groups->gatherings);
        list_init(&groups->flows);
        return htable_init(&groups->by_ends, BUCKETS);
}

static uint64_t hash_of(const struct endpoint *group, const struct endpoint *sender)
{
        struct endpoint ends[2];

        memset(ends, 0, sizeof(ends)); /* also what lies between the fields */
        ends[0].address = group->address;
        ends[0].port = group->port;
        ends[1].address = sender->address;
        ends[1].port = sender->port;
        return htable_hash(ends, sizeof(ends));
}

static void gathering_free(struct groups *groups, struct gathering *gathering)
{
        htable_remove(&groups->by_ends, &gathering->by_ends);
        list_remove(&gathering->link);
        free(gathering);
}

void groups_deinit(struct groups *groups)
{
        struct gathering *gathering;

        while ((gathering = list_first(&groups->gatherings, struct gathering, link)))
                gathering_free(groups, gathering);
        htable_deinit(&groups->by_ends);
}

/* The datagrams go on; each socket has its own verdict by now. */
static void release(struct groups *groups, struct gathering *gathering)
{
        for (unsigned int i = 0; i < gathering->n_held; i++)
                queue_decide(groups->queue, gathering->held[i], MARK_PASS);
        gathering_free(groups, gathering);
}

/* While its members are looked for nobody else ends it. */
static void look_for_members(struct groups *groups, struct gathering *gathering)
{
        gathering->n_undecided++;
        gathering->is_stale = false;
        groups->look_for_members(gathering, groups->userdata);
        if (--gathering->n_undecided == 0)
                release(groups, gathering);
}

static struct gathering *find_gathering(struct groups *groups, const struct endpoint *group,
                                        const struct endpoint *sender)
{
        struct gathering *gathering;

        htable_for_each_match (gathering, &groups->by_ends, hash_of(group, sender), by_ends)
                if (endpoint_equal(&gathering->group, group) &&
                    endpoint_equal(&gathering->sender, sender))
                        return gathering;
        return NULL;
}

bool groups_hold(struct groups *groups, const struct endpoint *group, const struct endpoint *sender,
                 uint32_t interface, struct queue_held held)
{
        struct gathering *gathering = find_gathering(groups, group, sender);

        if (gathering) {
                if (gathering->n_held == GATHERING_HELD_MAX)
                        return false;
                gathering->held[gathering->n_held++] = held;
                return true;
        }
        gathering = malloc(sizeof(*gathering));
        if (!gathering)
                return false;
        *gathering = (struct gathering){
                .group = *group,
                .sender = *sender,
                .interface = interface,
                .n_held = 1,
                .held = { held },
        };
        list_append(&groups->gatherings, &gathering->link);
        htable_add(&groups->by_ends, &gathering->by_ends, hash_of(group, sender));
        look_for_members(groups, gathering);
        return true;
}

void groups_admit(struct groups *groups, const struct flow *flow)
{
        hooks_set_member(groups->hooks, flow->socket_cookie, &flow->local, &flow->remote,
                         flow->verdict == NX_VERDICT_ALLOW && !flow_was_ended(flow));
}

void groups_decided(struct groups *groups, struct flow *flow)
{
        struct gathering *gathering = flow->gathering;

        if (!flow->is_for_group)
                return;
        flow->gathering = NULL;
        groups_admit(groups, flow);
        list_append(&groups->flows, &flow->waiting);
        if (!gathering || --gathering->n_undecided > 0)
                return;
        if (gathering->is_stale)
                look_for_members(groups, gathering);
        else
                release(groups, gathering);
}

/* One that somebody ended stays so for as long as its sender goes on. */
void groups_closed(struct groups *groups, const struct flow *flow)
{
        if (!flow->is_for_group)
                return;
        if (flow_was_ended(flow))
                groups_admit(groups, flow);
        else
                hooks_forget_member(groups->hooks, flow->socket_cookie, &flow->local,
                                    &flow->remote);
}

void groups_bound(struct groups *groups, uint16_t port)
{
        struct gathering *gathering;
        struct flow *flow;

        list_for_each (gathering, &groups->gatherings, link)
                gathering->is_stale |= gathering->group.port == port;
        if (list_is_empty(&groups->flows))
                return;
        queue_flush(groups->queue);
        list_for_each (flow, &groups->flows, waiting)
                if (flow->local.port == port)
                        passed_forget(groups->passed, &flow->local, &flow->remote);
}

void groups_unasked(struct groups *groups, const struct steer_member *member)
{
        struct endpoint group = { .port = member->group_port };
        struct endpoint sender = { .port = member->remote_port };

        memcpy(&group.address, &member->group, sizeof(group.address));
        memcpy(&sender.address, &member->remote, sizeof(sender.address));
        groups->strangers[member->cookie % GROUPS_STRANGERS] = member->cookie;
        queue_flush(groups->queue);
        passed_forget(groups->passed, &group, &sender);
}

bool groups_is_ours(const struct groups *groups, uint64_t cookie)
{
        return groups->strangers[cookie % GROUPS_STRANGERS] == cookie;
}
