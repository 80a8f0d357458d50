/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The sockets of the instance's programs that a datagram to a multicast group, or to all of a
 * network, can reach. The kernel tells their ends, and not which groups they have called: a socket
 * that has left IP_MULTICAST_ALL, and is no member, is told as well.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "bpf/steer.abi.h"

struct hooks;

struct receiver {
        uint64_t cookie;
        uint64_t cgroup_id;              /* where it was made */
        const struct steer_owner *owner; /* who bound it; NULL: not seen. Borrowed */
};

struct receivers_question {
        struct endpoint group, sender;
        uint32_t interface; /* that it came in through */
};

typedef void receivers_fn(const struct receiver *receiver, void *userdata);
/* 0 or a negative errno; fn may have been called by then. */
int receivers_list(struct hooks *hooks, const struct receivers_question *question,
                   receivers_fn *fn, void *userdata);
/* Whether the kernel tells them. */
bool receivers_are_told(struct hooks *hooks);
