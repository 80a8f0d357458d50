/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A program asks a resolver of this host (dnsmasq, unbound, systemd-resolved), and that asks another
 * host: two flows, of which the second is the resolver's. Its record names the program, as a hint:
 * the one that asked the same resolver for the same name a moment before (names/askers.h). Only what
 * is in the first datagram of a flow of UDP is known; later ones pass in the kernel.
 */

#include <stddef.h>
#include <stdint.h>

#include "names/askers.h"

struct flow;
struct hooks;
struct owners;

struct resolvers {
        struct hooks *hooks; /* both borrowed */
        struct owners *owners;
        struct askers askers;
};

/* Of an outbound flow to the port of name servers, before it is decided: its first words. */
void resolvers_take(struct resolvers *resolvers, struct flow *flow, const uint8_t *bytes,
                    size_t size);
