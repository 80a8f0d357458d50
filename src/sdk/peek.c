/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nx_flow_peek() only notes what the extension wants to see; the verdict PEEK takes it
 * along. From then on the flow is kept, until its bytes come and handle_peek has it as
 * handle_new_flow had, or until it is over.
 */

#include <errno.h>
#include <netinet/in.h>

#include "sdk/kept.h"
#include "sdk/peek.h"
#include "sdk/provider.h"
#include "sdk/public.h"
#include "sdk/verdict.h"

const char *peek_problem(const struct nx_flow *flow)
{
        if (flow->protocol != IPPROTO_TCP)
                return "PEEK, but only TCP flows can be peeked at";
        if (flow->peek_bytes == 0)
                return "PEEK, but nx_flow_peek() was not called to say at how many bytes";
        return NULL;
}

void peek_put(const struct nx_flow *flow, struct wire_writer *writer)
{
        wire_put(writer, WIRE_ATTR_PEEK_BYTES, flow->peek_bytes);
        wire_put(writer, WIRE_ATTR_VERDICT_TIMEOUT_MS, flow->peek_timeout_ms);
}

int peek_handle_bytes(struct session *session, const struct wire_message *message)
{
        _cleanup_(cleanup_flow) struct nx_flow *flow = NULL;
        enum nx_verdict verdict;
        const void *bytes;
        size_t size;

        flow = kept_find(session, message);
        if (!flow)
                return 0;
        nx_flow_ref(flow);
        bytes = wire_get_bytes(message, WIRE_ATTR_DATA, &size);
        if (flow->state != FLOW_PEEKED || size > flow->peek_bytes)
                return provider_fail_message(session->provider, "netext-flowd", message->type);
        kept_end(flow, FLOW_ASKED);
        flow->peek_bytes = 0;
        verdict = session->role->handle_peek(session, flow, bytes, size);
        return verdict_returned(session, flow, verdict, "handle_peek");
}

_public_ int nx_flow_peek(struct nx_flow *flow, size_t n_bytes, uint32_t timeout_ms)
{
        int r;

        r = verdict_is_due(flow);
        if (r < 0)
                return r;
        if (!flow->run->session->role->handle_peek || flow->protocol != IPPROTO_TCP ||
            n_bytes == 0 || n_bytes > NX_PEEK_BYTES_MAX)
                return -EINVAL;
        flow->peek_bytes = (uint32_t)n_bytes;
        flow->peek_timeout_ms = timeout_ms;
        return 0;
}
