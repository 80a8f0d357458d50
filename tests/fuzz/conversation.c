/* SPDX-License-Identifier: Apache-2.0 */

/* The same bytes are said three times: in one portion, byte by byte, and as many at once as are
 * the handshake's own for certain. */

#include <stdbool.h>
#include <stdlib.h>

#include "conversation.h"

#define PORTION_CERTAIN 0

static void require(bool condition)
{
        if (!condition)
                abort();
}

static size_t next_portion(const struct handshake *handshake, size_t portion)
{
        if (portion != PORTION_CERTAIN)
                return portion;
        return handshake_certain(handshake) > 0 ? handshake_certain(handshake) : 1;
}

/* All that the upstream sends, in portions of this size; how much of it was the handshake's. */
static size_t converse(struct handshake *handshake, enum upstream_kind kind, const uint8_t *data,
                       size_t size, size_t portion, bool with_credentials)
{
        static const struct credentials credentials = { .user = "alice", .password = "secret" };
        struct exchange *exchange = &handshake->exchange;
        struct address destination;
        size_t at = 0, n, taken;

        require(address_parse(&destination, "198.18.0.2", 80));
        handshake_begin(handshake, kind, &destination, with_credentials ? &credentials : NULL);
        while (at < size && exchange->state == EXCHANGE_GOES_ON) {
                n = next_portion(handshake, portion);
                n = n < size - at ? n : size - at;
                exchange->n_output = 0;
                taken = handshake_take(handshake, data + at, n);
                require(taken > 0 && taken <= n);
                require(taken == n || exchange->state != EXCHANGE_GOES_ON);
                require(taken == n || exchange->state != EXCHANGE_DONE ||
                        portion != PORTION_CERTAIN);
                require(exchange->n_output <= sizeof(exchange->output));
                at += taken;
        }
        return at;
}

void conversation_check(enum upstream_kind kind, const uint8_t *data, size_t size)
{
        struct handshake whole, bytewise, certain;
        size_t n_own;
        bool with_credentials = size > 0 && data[0] & 1;

        if (size == 0)
                return;
        n_own = converse(&whole, kind, data + 1, size - 1, size, with_credentials);
        require(n_own == converse(&bytewise, kind, data + 1, size - 1, 1, with_credentials));
        require(n_own ==
                converse(&certain, kind, data + 1, size - 1, PORTION_CERTAIN, with_credentials));
        require(whole.exchange.state == bytewise.exchange.state);
        require(whole.exchange.cause == bytewise.exchange.cause);
        require((whole.exchange.state == EXCHANGE_FAILED) == (whole.exchange.cause != CAUSE_NONE));
}
