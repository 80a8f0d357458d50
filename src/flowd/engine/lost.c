/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The ring of events was full. That a flow began and is not in our table changes nothing for it;
 * but one that ended would stay open, and whoever gets its port next would inherit that it passed.
 * So the kernel is asked which sockets there are.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/events.h"
#include "engine/intake.h"
#include "engine/lost.h"
#include "steer/sockets.h"

struct sockets {
        uint64_t *cookies; /* owned; in order once all are there */
        size_t n, room;
        bool is_cut; /* memory is short */
        uint64_t before_ns;
};

static void note_socket(uint64_t cookie, const struct endpoint *local, void *userdata)
{
        struct sockets *sockets = userdata;

        if (sockets->n == sockets->room) {
                size_t room = sockets->room ? 2 * sockets->room : 256;
                uint64_t *cookies = reallocarray(sockets->cookies, room, sizeof(*cookies));

                sockets->is_cut |= !cookies;
                if (!cookies)
                        return;
                sockets->cookies = cookies;
                sockets->room = room;
        }
        sockets->cookies[sockets->n++] = cookie;
}

static int compare(const void *a, const void *b)
{
        const uint64_t *one = a, *other = b;

        return (*one > *other) - (*one < *other);
}

static int list_all(struct sockets *sockets)
{
        int r;

        r = sockets_list_all(note_socket, sockets);
        if (r < 0)
                return r;
        if (sockets->n > 0)
                qsort(sockets->cookies, sockets->n, sizeof(*sockets->cookies), compare);
        return sockets->is_cut ? -ENOMEM : 0;
}

/* The server's socket of a connection that came in is known by its ends. */
static bool has_ended_server(const struct flow *flow)
{
        const struct socket_name name = {
                .protocol = flow->protocol,
                .local = flow->local,
                .remote = flow->remote,
                .interface = flow->interface,
        };
        struct socket_found found;

        return flow->direction == NX_DIRECTION_INBOUND && flow->protocol == IPPROTO_TCP &&
               flow->verdict != NX_VERDICT_NONE && sockets_find(&name, &found) == -ENOENT;
}

static bool has_ended(const struct flow *flow, const void *userdata)
{
        const struct sockets *sockets = userdata;

        if (flow->closed_ns || flow->started_ns > sockets->before_ns)
                return false;
        if (!flow->socket_cookie)
                return has_ended_server(flow);
        return sockets->n == 0 || !bsearch(&flow->socket_cookie, sockets->cookies, sockets->n,
                                           sizeof(*sockets->cookies), compare);
}

static int end_flows(struct intake *intake, const struct sockets *sockets)
{
        _cleanup_free_ uint64_t *ids = NULL;
        ssize_t n;

        n = flow_table_select(intake->flows, has_ended, sockets, &ids);
        for (ssize_t i = 0; i < n; i++) {
                struct flow *flow = flow_table_find(intake->flows, ids[i]);

                if (flow)
                        events_end_flow(intake, flow);
        }
        if (n > 0)
                log_notice("there was no room for the events of %zd flows that ended: they are "
                           "closed now",
                           n);
        return n < 0 ? (int)n : 0;
}

int lost_find_ends(struct intake *intake, uint64_t before_ns)
{
        struct sockets sockets = { .before_ns = before_ns };
        int r;

        r = list_all(&sockets);
        if (r >= 0)
                r = end_flows(intake, &sockets);
        free(sockets.cookies);
        return r;
}
