/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a queued packet says about its flow: protocol and endpoints, nothing else. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"

struct packet {
        uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
        struct endpoint source;
        struct endpoint destination;
        uint32_t sequence;      /* of TCP */
        const uint8_t *payload; /* of UDP, borrowed; what was copied of it */
        size_t payload_size;
        bool is_fragment; /* the first of several */
};

/* Reads from the network header on. 0, or -EBADMSG for what is cut off, neither TCP nor UDP, or a
 * fragment that is not the first. */
int packet_parse(const uint8_t *bytes, size_t size, struct packet *ret_packet);
