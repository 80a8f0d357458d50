/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A claimed flow is kept from the verdict to PROVIDER_FLOW_CLOSED or, for TCP, to the
 * socket, which ends by itself; at the longest to the end of the run.
 *
 * The extension opens, fails or splices the flow, once. It may do so before it has
 * returned CLAIM: then the message, and the descriptor that belongs to it, wait in the
 * flow, because flowd has to learn of the claim first.
 * A socket for a flow that was not opened is a fault.
 */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "sdk/claim.h"
#include "sdk/kept.h"
#include "sdk/provider.h"
#include "sdk/public.h"

static int send_open(struct session *session, const struct nx_flow *flow, int result)
{
        struct channel *channel = &session->engine.channel;
        struct wire_writer *writer;

        writer = channel_begin(channel, NX_MSG_ENGINE_FLOW_OPEN, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow->identifier);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        return channel_end(channel);
}

/* fd is handed over on success. */
static int send_splice(struct session *session, const struct nx_flow *flow, int fd)
{
        struct channel *channel = &session->engine.channel;
        struct wire_writer *writer;

        writer = channel_begin(channel, NX_MSG_ENGINE_FLOW_SPLICE, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow->identifier);
        return channel_end_with_fd(channel, fd);
}

/* The extension was told that it is done, so what fails now is for the flow's program to hear. */
static int splice_held(struct session *session, struct nx_flow *flow)
{
        _cleanup_fd_ int fd = take_fd(&flow->upstream_fd);
        int r;

        r = send_splice(session, flow, fd);
        if (r >= 0)
                take_fd(&fd);
        if (r >= 0 || peer_is_gone(r))
                return r;
        session_report(session, NX_LEVEL_WARNING,
                       "Flow %llu is refused: its upstream socket could not be handed over: %s",
                       (unsigned long long)flow->identifier, strerror(-r));
        return send_open(session, flow, -ECONNREFUSED);
}

int claim_begin(struct nx_flow *flow)
{
        struct session *session = flow->run->session;

        kept_begin(flow, FLOW_CLAIMED);
        switch (flow->way) {
        case FLOW_WAY_NONE:
                return 0;
        case FLOW_WAY_SPLICE:
                return splice_held(session, flow);
        default:
                return send_open(session, flow, flow->open_result);
        }
}

int claim_handle_socket(struct session *session, const struct wire_message *message, int *fd)
{
        _cleanup_(cleanup_flow) struct nx_flow *flow = NULL;

        flow = kept_find(session, message);
        if (!flow)
                return 0;
        nx_flow_ref(flow);
        if (flow->way != FLOW_WAY_OPEN || flow->has_socket)
                return provider_fail_message(session->provider, "netext-flowd", message->type);
        flow->has_socket = true;
        if (flow->protocol == IPPROTO_TCP) {
                handed_note(&session->handed, *fd);
                kept_end(flow, FLOW_OVER);
        }
        session->role->handle_open(session, flow, take_fd(fd));
        return 0;
}

void claim_handle_closed(struct session *session, struct nx_flow *flow,
                         const struct wire_message *message)
{
        struct nx_flow_end end = {
                .size = sizeof(end),
                .error = wire_get_i32(message, WIRE_ATTR_RESULT),
                .bytes_outbound = wire_get(message, WIRE_ATTR_BYTES_OUTBOUND),
                .bytes_inbound = wire_get(message, WIRE_ATTR_BYTES_INBOUND),
        };

        session->role->handle_closed(session, flow, &end);
}

/* 0 where the flow can be opened, failed or spliced. */
static int check_claim(const struct nx_flow *flow)
{
        const struct session *session = flow->run->session;

        if (!session)
                return -ESTALE;
        if (flow->way != FLOW_WAY_NONE)
                return -EALREADY;
        if (flow->state == FLOW_OVER)
                return -ESTALE;
        if (flow->state == FLOW_CLAIMED)
                return 0;
        return flow->state == FLOW_ASKED && session->role->handle_open ? 0 : -EINVAL;
}

static int open_or_fail(struct nx_flow *flow, enum flow_way way, int result)
{
        struct session *session = flow->run->session;
        int r;

        r = check_claim(flow);
        if (r >= 0 && flow->state == FLOW_CLAIMED)
                r = send_open(session, flow, result);
        if (r < 0)
                return r;
        flow->way = way;
        flow->open_result = result;
        provider_flush_soon(session->provider);
        return 0;
}

_public_ int nx_flow_open(struct nx_flow *flow)
{
        return open_or_fail(flow, FLOW_WAY_OPEN, 0);
}

_public_ int nx_flow_fail(struct nx_flow *flow, int error)
{
        if (error >= 0)
                return -EINVAL;
        if (error != -EHOSTUNREACH && error != -ENETUNREACH && error != -ETIMEDOUT)
                error = -ECONNREFUSED;
        return open_or_fail(flow, FLOW_WAY_FAIL, error);
}

static bool is_stream_socket(int fd)
{
        int type = 0;
        socklen_t size = sizeof(type);

        return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) >= 0 && type == SOCK_STREAM;
}

_public_ int nx_flow_splice(struct nx_flow *flow, int upstream_fd)
{
        struct session *session = flow->run->session;
        int r;

        r = check_claim(flow);
        if (r < 0)
                return r;
        if (flow->protocol != IPPROTO_TCP || !is_stream_socket(upstream_fd))
                return -EINVAL;
        if (flow->state == FLOW_ASKED) {
                flow->way = FLOW_WAY_SPLICE;
                flow->upstream_fd = upstream_fd;
                return 0;
        }
        r = send_splice(session, flow, upstream_fd);
        if (r < 0)
                return peer_is_gone(r) ? -ESTALE : r;
        flow->way = FLOW_WAY_SPLICE;
        provider_flush_soon(session->provider);
        return 0;
}
