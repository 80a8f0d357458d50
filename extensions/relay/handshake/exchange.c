/* SPDX-License-Identifier: Apache-2.0 */

/* The output is bounded: everything that a handshake says was measured when it was parsed. */

#include <string.h>

#include "relay/handshake/exchange.h"

void exchange_say(struct exchange *exchange, const void *bytes, size_t size)
{
        if (size > sizeof(exchange->output) - exchange->n_output) {
                exchange_fail(exchange, CAUSE_NOT_SUPPORTED);
                return;
        }
        memcpy(exchange->output + exchange->n_output, bytes, size);
        exchange->n_output += size;
}

void exchange_fail(struct exchange *exchange, enum cause cause)
{
        exchange->state = EXCHANGE_FAILED;
        exchange->cause = cause;
        exchange->n_output = 0;
}
