/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Claimed flows on their way to the platform's splice, and what the administrator hears. */

#include <netext/proxy.h>

#include "relay/attempts.h"
#include "relay/complaint.h"
#include "relay/configuration.h"

struct relay {
        struct nx_proxy *proxy; /* NULL while no session runs */
        int epoll_fd;           /* owned; data.ptr of an attempt's socket is the attempt */
        struct configuration configuration;
        struct complaints complaints;
        struct attempts attempts;
        bool told_full, told_short; /* and it is so still */
};

/* 0 or a negative errno; relay_deinit() is due in any case. */
int relay_init(struct relay *relay);
void relay_deinit(struct relay *relay);

/* What becomes of a new flow. */
enum nx_verdict relay_decide(struct relay *relay, struct nx_flow *flow);
/* Something came for an attempt's socket. May free it, and no other one. */
void relay_go_on(struct relay *relay, struct attempt *attempt);
/* Ends those whose time is over. Milliseconds until the next, or -1. */
int relay_expire(struct relay *relay);

void relay_forget_flow(struct relay *relay, uint64_t flow);
void relay_forget_all(struct relay *relay);
