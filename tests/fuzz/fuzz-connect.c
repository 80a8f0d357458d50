/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: extensions/relay/handshake/http.c extensions/relay/handshake/exchange.c */
/* fuzz-sources: extensions/relay/handshake/cause.c extensions/relay/rule/address.c */

/*
 * An HTTP upstream that was asked to CONNECT answers anything. Portions make no difference, each
 * look takes something, and what fails says why. The first byte says whether there are credentials.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "relay/handshake/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

/* All that the upstream sends, in portions of this size; how much of it was the handshake's. */
static size_t converse(struct exchange *exchange, const uint8_t *data, size_t size, size_t portion,
                       bool with_credentials)
{
        static const struct credentials credentials = { .user = "alice", .password = "secret" };
        struct address destination;
        struct http http;
        size_t at = 0, n, taken;

        require(address_parse(&destination, "198.18.0.2", 80));
        http_begin(&http, exchange, &destination, with_credentials ? &credentials : NULL);
        while (at < size && exchange->state == EXCHANGE_GOES_ON) {
                n = portion < size - at ? portion : size - at;
                exchange->n_output = 0;
                taken = http_take(&http, exchange, data + at, n);
                require(taken > 0 && taken <= n);
                require(taken == n || exchange->state != EXCHANGE_GOES_ON);
                require(exchange->n_output <= sizeof(exchange->output));
                at += taken;
        }
        return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct exchange whole, bytewise;
        bool with_credentials = size > 0 && data[0] & 1;

        if (size == 0)
                return 0;
        require(converse(&whole, data + 1, size - 1, size, with_credentials) ==
                converse(&bytewise, data + 1, size - 1, 1, with_credentials));
        require(whole.state == bytewise.state && whole.cause == bytewise.cause);
        require((whole.state == EXCHANGE_FAILED) == (whole.cause != CAUSE_NONE));
        return 0;
}
