/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The handshake with an upstream, of whichever kind. */

#include "relay/handshake/http.h"
#include "relay/handshake/socks5.h"
#include "relay/rule/upstream.h"

struct handshake {
        enum upstream_kind kind;
        struct exchange exchange;
        union {
                struct socks5 socks5;
                struct http http;
        };
};

/* Nothing is needed later of what is given. credentials: or NULL. */
void handshake_begin(struct handshake *handshake, enum upstream_kind kind,
                     const struct address *destination, const struct credentials *credentials);
/* Bytes that came; the number of those that were the upstream's own. */
size_t handshake_take(struct handshake *handshake, const uint8_t *bytes, size_t size);
/* How many of the bytes that come next are the upstream's own for certain; 0: that depends on
 * what they are. */
size_t handshake_certain(const struct handshake *handshake);
/* It holds the password. */
void handshake_end(struct handshake *handshake);
