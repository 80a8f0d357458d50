/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netext-flowd answers updates in their order. Unlike settings they are not told to another one:
 * that would not know the flow.
 */

#include <errno.h>
#include <stdlib.h>

#include <netext/filter.h>

#include "sdk/provider.h"
#include "sdk/public.h"
#include "sdk/update.h"

struct update {
        struct list link; /* session.updates */
        uint64_t flow;
        nx_filter_updated_fn *fn;
        void *userdata;
};

static void update_end(struct session *session, struct update *update, int result)
{
        nx_filter_updated_fn *fn = update->fn;
        void *userdata = update->userdata;
        uint64_t flow = update->flow;

        list_remove(&update->link);
        session->n_updates--;
        free(update);
        if (fn)
                fn(&session->filter, flow, result, userdata);
}

int update_handle_done(struct session *session, const struct wire_message *message)
{
        struct update *update = list_first(&session->updates, struct update, link);
        int result = wire_get_i32(message, WIRE_ATTR_RESULT);

        if (!update || update->flow != wire_get(message, WIRE_ATTR_FLOW))
                return provider_fail(session->provider, -EPROTO,
                                     "netext-flowd answered an update that it was not given");
        update_end(session, update, result < 0 ? result : 0);
        return 0;
}

void update_cancel_all(struct session *session)
{
        struct update *update;

        while ((update = list_first(&session->updates, struct update, link)))
                update_end(session, update, -ESTALE);
}

static int send_update(struct session *session, uint64_t flow, enum nx_verdict verdict)
{
        struct channel *channel = &session->engine.channel;
        struct wire_writer *writer;

        writer = channel_begin(channel, NX_MSG_ENGINE_FLOW_UPDATE, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow);
        wire_put(writer, WIRE_ATTR_VERDICT, (uint64_t)verdict);
        return channel_end(channel);
}

_public_ int nx_filter_update_flow(struct nx_filter *filter, uint64_t flow, enum nx_verdict verdict,
                                   nx_filter_updated_fn *fn, void *userdata)
{
        struct session *session = filter->session;
        struct update *update;
        int r;

        if (verdict != NX_VERDICT_DROP)
                return -EINVAL;
        if (!session->run || !session_is_connected(session))
                return -ESTALE;
        if (session->n_updates >= NX_FILTER_UPDATES_MAX)
                return -ENOBUFS;
        update = malloc(sizeof(*update));
        if (!update)
                return -ENOMEM;
        r = send_update(session, flow, verdict);
        if (r < 0) {
                free(update);
                return r;
        }
        *update = (struct update){ .flow = flow, .fn = fn, .userdata = userdata };
        list_append(&session->updates, &update->link);
        session->n_updates++;
        provider_flush_soon(session->provider);
        return 0;
}
