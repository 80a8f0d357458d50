/* SPDX-License-Identifier: Apache-2.0 */

/* One handshake in progress: its protocol's part, and the part that all have in common. */

#include <string.h>

#include "relay/handshake/handshake.h"

void handshake_begin(struct handshake *handshake, enum upstream_kind kind,
                     const struct address *destination, const struct credentials *credentials)
{
        handshake->kind = kind;
        if (kind == UPSTREAM_SOCKS5)
                socks5_begin(&handshake->socks5, &handshake->exchange, destination, credentials);
        else
                http_begin(&handshake->http, &handshake->exchange, destination, credentials);
}

size_t handshake_take(struct handshake *handshake, const uint8_t *bytes, size_t size)
{
        if (handshake->kind == UPSTREAM_SOCKS5)
                return socks5_take(&handshake->socks5, &handshake->exchange, bytes, size);
        return http_take(&handshake->http, &handshake->exchange, bytes, size);
}

size_t handshake_certain(const struct handshake *handshake)
{
        return handshake->kind == UPSTREAM_SOCKS5 ? socks5_certain(&handshake->socks5) : 0;
}

void handshake_end(struct handshake *handshake)
{
        explicit_bzero(handshake, sizeof(*handshake));
}
