/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The first to speak are we, so what the socket says to that tells whether it is connected.
 *
 * Only bytes that are the handshake's own leave the socket. Where their number depends on
 * what they are, they are looked at before they are read. So a destination that speaks first,
 * in the same segment as the upstream's reply, is heard by the program and not by us. Every
 * look consumes something, or ends the attempt: a level-triggered poll never spins.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay/attempt.h"
#include "relay/clock.h"
#include "relay/way.h"

int attempt_new(struct attempt **ret_attempt, struct nx_flow *flow, const struct upstream *upstream,
                const struct address *destination, const struct credentials *credentials)
{
        struct attempt *attempt = calloc(1, sizeof(*attempt));
        int r;

        if (!attempt)
                return -ENOMEM;
        attempt->fd = -1;
        r = way_open(&attempt->fd, flow, &upstream->address, NULL);
        if (r < 0) {
                attempt_free(attempt);
                return r;
        }
        attempt->flow = nx_flow_ref(flow);
        attempt->started_ms = clock_now_ms();
        snprintf(attempt->upstream, sizeof(attempt->upstream), "%s", upstream->name);
        handshake_begin(&attempt->handshake, upstream->kind, destination, credentials);
        *ret_attempt = attempt;
        return 0;
}

struct attempt *attempt_free(struct attempt *attempt)
{
        if (!attempt)
                return NULL;
        handshake_end(&attempt->handshake);
        if (attempt->fd >= 0)
                close(attempt->fd);
        nx_flow_unref(attempt->flow);
        free(attempt);
        return NULL;
}

/* 0, also if some is left, or a negative errno. */
static int send_output(struct attempt *attempt)
{
        struct exchange *exchange = &attempt->handshake.exchange;
        ssize_t n;

        while (attempt->n_sent < exchange->n_output) {
                n = send(attempt->fd, exchange->output + attempt->n_sent,
                         exchange->n_output - attempt->n_sent, MSG_NOSIGNAL);
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                attempt->is_connected = true;
                attempt->n_sent += (size_t)n;
        }
        attempt->n_sent = exchange->n_output = 0;
        return 0;
}

/* How many bytes were taken; 0 at the end of the stream, or a negative errno. */
static ssize_t take_input(struct attempt *attempt)
{
        size_t certain = handshake_certain(&attempt->handshake);
        uint8_t bytes[2048];
        ssize_t n;

        n = recv(attempt->fd, bytes, certain ? certain : sizeof(bytes), certain ? 0 : MSG_PEEK);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        n = (ssize_t)handshake_take(&attempt->handshake, bytes, (size_t)n);
        if (certain)
                return n;
        n = recv(attempt->fd, bytes, (size_t)n, 0);
        return n < 0 ? -errno : n;
}

static int exchange_outcome(const struct exchange *exchange, enum cause *ret_cause)
{
        switch (exchange->state) {
        case EXCHANGE_GOES_ON:
                return ATTEMPT_GOES_ON;
        case EXCHANGE_DONE:
                return ATTEMPT_DONE;
        case EXCHANGE_FAILED:
                *ret_cause = exchange->cause;
                return ATTEMPT_FAILED;
        }
        return -EINVAL;
}

static int fail(enum cause cause, int error, enum cause *ret_cause, int *ret_error)
{
        *ret_cause = cause;
        *ret_error = error;
        return ATTEMPT_FAILED;
}

int attempt_step(struct attempt *attempt, enum cause *ret_cause, int *ret_error)
{
        struct exchange *exchange = &attempt->handshake.exchange;
        ssize_t n;
        int r = 0;

        *ret_error = 0;
        while (exchange->state == EXCHANGE_GOES_ON) {
                if (exchange->n_output > 0) {
                        r = send_output(attempt);
                        if (r < 0 && !attempt->is_connected)
                                return fail(CAUSE_UNREACHABLE, r, ret_cause, ret_error);
                        /* The answer takes its time, and so does connecting. */
                        if (r == 0 && (exchange->n_output == 0 || !attempt->is_connected))
                                return ATTEMPT_GOES_ON;
                }
                /* A reset may have an answer in front of it, which says more. */
                n = take_input(attempt);
                if (n == -EAGAIN && r == 0)
                        return ATTEMPT_GOES_ON;
                if (n <= 0)
                        return fail(CAUSE_CLOSED, n < 0 && n != -EAGAIN ? (int)n : r, ret_cause,
                                    ret_error);
        }
        return exchange_outcome(exchange, ret_cause);
}

bool attempt_wants_to_write(const struct attempt *attempt)
{
        return attempt->handshake.exchange.n_output > 0;
}
