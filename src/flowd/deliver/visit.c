/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel's part is in bpf/steer.bpf.c (on_accepted, receive) and in steer/ruleset.c (untrack,
 * turn): while a visit is announced, the kernel's own answers in the server's name come to us; from
 * then on the server's socket finds its way by its mark.
 */

#include <netinet/in.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "chain/chain.h"
#include "deliver/delivery.h"
#include "deliver/transparent.h"
#include "deliver/visit.h"
#include "deliver/way.h"
#include "flow/table.h"
#include "steer/hooks.h"
#include "steer/passed.h"

/* Longer than the kernel repeats its answer to the first segment. */
#define VISITOR_NS (90 * 1000000000ULL)

bool is_visit(const struct delivery *delivery)
{
        return delivery->flow->direction == NX_DIRECTION_INBOUND && !flow_is_call(delivery->flow);
}

static struct steer_ends ends_of(const struct flow *flow)
{
        struct steer_ends ends = { .local_port = flow->local.port,
                                   .remote_port = flow->remote.port };

        memcpy(&ends.local, &flow->local.address, sizeof(ends.local));
        memcpy(&ends.remote, &flow->remote.address, sizeof(ends.remote));
        return ends;
}

static int set_visit(struct delivery *delivery, enum steer_visit visit)
{
        const struct steer_ends ends = ends_of(delivery->flow);

        return hooks_set_visit(delivery->all->hooks, &ends, visit);
}

int visit_begin(struct delivery *delivery)
{
        const struct flow *flow = delivery->flow;
        int r;

        r = doors_open(&delivery->all->doors, flow->interface);
        if (r >= 0)
                r = set_visit(delivery, STEER_VISIT_ANNOUNCED);
        if (r < 0)
                return r;
        return transparent_visit(&flow->remote, &flow->local, delivery->all->onward_mark);
}

void visit_answered(struct delivery *delivery)
{
        const struct flow *flow = delivery->flow;

        passed_forget(delivery->all->passed, &flow->local, &flow->remote);
}

/* Who does not come after all leaves a server waiting. */
int visit_admit(struct delivery *delivery)
{
        visit_answered(delivery);
        loop_timer_start(delivery->all->loop, &delivery->timer, now_ns() + VISITOR_NS);
        return set_visit(delivery, STEER_VISIT_ADMITTED);
}

void visit_end(struct delivery *delivery)
{
        const struct steer_ends ends = ends_of(delivery->flow);

        hooks_forget_visit(delivery->all->hooks, &ends);
}

/* Our end of the connection to the server is what a program's connection is otherwise. */
static void on_entered(int fd, const struct endpoint *visitor, const struct endpoint *server,
                       void *userdata)
{
        struct deliveries *all = userdata;
        struct flow *flow = flow_table_find_tuple(all->chain->flows, IPPROTO_TCP, server, visitor);
        struct delivery *delivery = flow ? flow->delivery : NULL;

        if (!delivery || !is_visit(delivery) || delivery->state != DELIVERY_RELEASED ||
            delivery->app_fd >= 0) {
                all->n_strangers++;
                (void)socket_set_reset_on_close(fd, true);
                close_fd(fd);
                return;
        }
        loop_timer_stop(&delivery->timer);
        delivery->app_fd = delivery->upstream_fd;
        delivery->upstream_fd = fd;
        way_go(delivery);
}

void visits_start(struct deliveries *deliveries)
{
        struct doors *doors = &deliveries->doors;

        doors->loop = deliveries->loop;
        doors->hooks = deliveries->hooks;
        doors->own_mark = deliveries->own_mark;
        doors->fn = on_entered;
        doors->userdata = deliveries;
}
