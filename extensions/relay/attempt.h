/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An attempt to reach a claimed flow's destination through an upstream: from the socket to
 * the last byte of the handshake. Its flow is kept, its socket is its own until the platform
 * gets it.
 */

#include <netext/proxy.h>

#include "relay/handshake/handshake.h"

struct attempt {
        struct attempt *older, *newer; /* of struct attempts */
        struct attempt *next;          /* in the same bucket of struct attempts */
        struct nx_flow *flow;          /* a reference */
        int fd;                        /* owned, or -1 */
        int64_t started_ms;
        bool is_connected; /* something was sent */
        size_t n_sent; /* of the output */
        char upstream[UPSTREAM_NAME_MAX + 1];
        struct handshake handshake;
};

enum {
        ATTEMPT_GOES_ON = 1,
        ATTEMPT_DONE,   /* the upstream is connected to the destination */
        ATTEMPT_FAILED, /* ret_cause says why, and ret_error more, or is 0 */
};

/* credentials: or NULL. 0, or a negative errno of the way to the upstream. */
int attempt_new(struct attempt **ret_attempt, struct nx_flow *flow, const struct upstream *upstream,
                const struct address *destination, const struct credentials *credentials);
struct attempt *attempt_free(struct attempt *attempt);

/* Goes as far as it can without waiting. */
int attempt_step(struct attempt *attempt, enum cause *ret_cause, int *ret_error);
/* Whether it waits to write, if only to be connected; it always waits to read. */
bool attempt_wants_to_write(const struct attempt *attempt);
