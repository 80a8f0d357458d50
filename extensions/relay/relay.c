/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A flow's life here:
 *
 *      ignore    declined: the next session in the chain is asked
 *      direct    a socket that connects is given to the platform at once, which waits for it
 *      via       an attempt makes its way through the upstream; then its socket is given to
 *                the platform, or the program hears what went wrong. A tunnel has nothing to
 *                say: its flows are as direct ones, by its interface
 *
 * While an attempt lasts, its socket is in the epoll set. It leaves the set before it is
 * handed over: the platform's copy would keep it there.
 *
 * What we run out of (handshakes, descriptors) fails the flow at once: it is not held for
 * a better time, since its program would not know why it waits.
 */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "relay/clock.h"
#include "relay/relay.h"
#include "relay/subject.h"
#include "relay/way.h"

static void handle_changed(struct configuration *configuration, void *userdata)
{
        struct relay *relay = userdata;

        complaints_forget(&relay->complaints);
}

int relay_init(struct relay *relay)
{
        configuration_init(&relay->configuration, handle_changed, relay);
        relay->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        return relay->epoll_fd < 0 ? -errno : 0;
}

void relay_deinit(struct relay *relay)
{
        relay_forget_all(relay);
        configuration_deinit(&relay->configuration);
        if (relay->epoll_fd >= 0)
                close(relay->epoll_fd);
        relay->epoll_fd = -1;
}

/* --- what runs short --------------------------------------------------------------------- */

static void tell_short(struct relay *relay, int error)
{
        if (!relay->told_short)
                nx_proxy_report(relay->proxy, NX_LEVEL_ERROR,
                                "flows are refused: no socket can be made: %s", strerror(-error));
        relay->told_short = true;
}

static void tell_full(struct relay *relay)
{
        if (!relay->told_full)
                nx_proxy_report(relay->proxy, NX_LEVEL_ERROR,
                                "flows are refused: %zu handshakes with upstreams are in progress, "
                                "and no more are allowed (see 'handshakes' in netext-relay(5))",
                                relay->attempts.n);
        relay->told_full = true;
}

static bool is_full(struct relay *relay)
{
        size_t max = relay->configuration.rules->handshakes_max;

        if (relay->attempts.n >= max)
                return true;
        if (relay->attempts.n <= max / 2)
                relay->told_full = false;
        return false;
}

/* --- flows that are over ----------------------------------------------------------------- */

static void end_attempt(struct relay *relay, struct attempt *attempt)
{
        attempts_remove(&relay->attempts, attempt);
        attempt_free(attempt);
}

static void fail_attempt(struct relay *relay, struct attempt *attempt, enum cause cause, int error)
{
        int told = cause == CAUSE_UNREACHABLE && error ? error : cause_info(cause)->error;

        complaints_add(&relay->complaints, relay->proxy, attempt->upstream,
                       nx_flow_get_identifier(attempt->flow), cause, error);
        nx_flow_fail(attempt->flow, told);
        end_attempt(relay, attempt);
}

/* The platform waits for fd, if it is not connected yet. */
static void hand_over(struct relay *relay, struct nx_flow *flow, int fd)
{
        int r;

        r = nx_flow_splice(flow, fd);
        if (r == 0)
                return;
        close(fd);
        if (r == -ESTALE || r == -EALREADY)
                return;
        nx_proxy_report(relay->proxy, NX_LEVEL_ERROR, "flow %llu could not be handed over: %s",
                        (unsigned long long)nx_flow_get_identifier(flow), strerror(-r));
        nx_flow_fail(flow, -ECONNREFUSED);
}

static void finish_attempt(struct relay *relay, struct attempt *attempt)
{
        int fd = attempt->fd;

        complaints_settle(&relay->complaints, relay->proxy, attempt->upstream);
        epoll_ctl(relay->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        attempt->fd = -1;
        hand_over(relay, attempt->flow, fd);
        end_attempt(relay, attempt);
}

/* --- flows on their way ------------------------------------------------------------------ */

static int watch(struct relay *relay, struct attempt *attempt, int operation)
{
        struct epoll_event event = {
                .events = EPOLLIN | (attempt_wants_to_write(attempt) ? EPOLLOUT : 0),
                .data.ptr = attempt,
        };

        return epoll_ctl(relay->epoll_fd, operation, attempt->fd, &event) < 0 ? -errno : 0;
}

/* Whether it goes on; if not it is freed. */
static bool step(struct relay *relay, struct attempt *attempt)
{
        enum cause cause = CAUSE_NONE;
        int error = 0;

        switch (attempt_step(attempt, &cause, &error)) {
        case ATTEMPT_GOES_ON:
                return true;
        case ATTEMPT_DONE:
                finish_attempt(relay, attempt);
                return false;
        default:
                fail_attempt(relay, attempt, cause, error);
                return false;
        }
}

void relay_go_on(struct relay *relay, struct attempt *attempt)
{
        bool wrote = attempt_wants_to_write(attempt);

        if (step(relay, attempt) && attempt_wants_to_write(attempt) != wrote)
                watch(relay, attempt, EPOLL_CTL_MOD);
}

static enum nx_verdict fail_flow(struct relay *relay, struct nx_flow *flow, int error)
{
        if (way_was_short(error))
                tell_short(relay, error);
        nx_flow_fail(flow, way_was_short(error) ? -ECONNREFUSED : error);
        return NX_VERDICT_CLAIM;
}

/* Why there is no way to it. */
static enum cause cause_of(const struct upstream *upstream, int error)
{
        if (upstream->kind != UPSTREAM_TUNNEL)
                return CAUSE_UNREACHABLE;
        switch (error) { /* of nx_flow_attach_via() */
        case -ENOENT:
                return CAUSE_TUNNEL_ABSENT;
        case -EINVAL:
                return CAUSE_TUNNEL_NONE;
        case -ENETDOWN:
                return CAUSE_TUNNEL_DOWN;
        default:
                return CAUSE_UNREACHABLE;
        }
}

/* The upstream's own fault, before there was an attempt. */
static enum nx_verdict fail_via(struct relay *relay, struct nx_flow *flow,
                                const struct upstream *upstream, int error)
{
        enum cause cause = cause_of(upstream, error);
        bool says_more = cause == CAUSE_UNREACHABLE;

        if (!way_was_short(error))
                complaints_add(&relay->complaints, relay->proxy, upstream->name,
                               nx_flow_get_identifier(flow), cause, says_more ? error : 0);
        return fail_flow(relay, flow, says_more ? error : cause_info(cause)->error);
}

static enum nx_verdict carry_through(struct relay *relay, struct nx_flow *flow,
                                     const struct upstream *tunnel, const struct address *remote)
{
        int fd, r;

        r = way_open(&fd, flow, remote, tunnel->interface);
        if (r < 0)
                return fail_via(relay, flow, tunnel, r);
        complaints_settle(&relay->complaints, relay->proxy, tunnel->name);
        relay->told_short = false;
        hand_over(relay, flow, fd);
        return NX_VERDICT_CLAIM;
}

static enum nx_verdict carry_via(struct relay *relay, struct nx_flow *flow,
                                 const struct upstream *upstream, const struct address *remote)
{
        const struct credentials *credentials =
                configuration_credentials(&relay->configuration, upstream);
        struct attempt *attempt;
        int r;

        if (is_full(relay)) {
                tell_full(relay);
                nx_flow_fail(flow, -ECONNREFUSED);
                return NX_VERDICT_CLAIM;
        }
        r = attempt_new(&attempt, flow, upstream, remote, credentials);
        if (r < 0)
                return fail_via(relay, flow, upstream, r);
        attempts_add(&relay->attempts, attempt);
        /* Not before the first step, which often says all there is to say: an upstream nearby
         * is connected by now. */
        r = step(relay, attempt) ? watch(relay, attempt, EPOLL_CTL_ADD) : 0;
        if (r < 0) {
                end_attempt(relay, attempt);
                return fail_flow(relay, flow, r);
        }
        relay->told_short = false;
        return NX_VERDICT_CLAIM;
}

static enum nx_verdict carry_direct(struct relay *relay, struct nx_flow *flow,
                                    const struct address *remote)
{
        int fd, r;

        r = way_open(&fd, flow, remote, NULL);
        if (r < 0)
                return fail_flow(relay, flow, r);
        relay->told_short = false;
        hand_over(relay, flow, fd);
        return NX_VERDICT_CLAIM;
}

enum nx_verdict relay_decide(struct relay *relay, struct nx_flow *flow)
{
        const struct rules *rules = relay->configuration.rules;
        struct subject subject;
        const struct route *route;

        if (!rules || nx_flow_get_protocol(flow) != IPPROTO_TCP || !subject_of(&subject, flow))
                return NX_VERDICT_DECLINE;
        route = &decide(rules, &subject)->route;
        switch (route->way) {
        case WAY_IGNORE:
                return NX_VERDICT_DECLINE;
        case WAY_DIRECT:
                return carry_direct(relay, flow, &subject.remote);
        case WAY_UPSTREAM:
                if (route->upstream->kind == UPSTREAM_TUNNEL)
                        return carry_through(relay, flow, route->upstream, &subject.remote);
                return carry_via(relay, flow, route->upstream, &subject.remote);
        }
        return NX_VERDICT_DECLINE;
}

int relay_expire(struct relay *relay)
{
        const struct rules *rules = relay->configuration.rules;
        struct attempt *oldest;
        int64_t left_ms;

        while ((oldest = relay->attempts.oldest)) {
                left_ms = oldest->started_ms + rules->timeout_s * INT64_C(1000) - clock_now_ms();
                if (left_ms > 0)
                        return (int)left_ms;
                fail_attempt(relay, oldest, CAUSE_SILENT, 0);
        }
        return -1;
}

void relay_forget_flow(struct relay *relay, uint64_t flow)
{
        struct attempt *attempt = attempts_find(&relay->attempts, flow);

        if (attempt)
                end_attempt(relay, attempt);
}

void relay_forget_all(struct relay *relay)
{
        while (relay->attempts.oldest)
                end_attempt(relay, relay->attempts.oldest);
}
