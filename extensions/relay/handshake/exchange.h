/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What every handshake is for whoever carries its bytes: bytes to be sent, and whether it
 * goes on. It never waits, and it knows exactly how many of the bytes that came are its
 * own: what lies behind them is the destination's first word.
 */

#include <stddef.h>
#include <stdint.h>

#include "relay/handshake/cause.h"

#define EXCHANGE_OUTPUT_MAX 1280 /* a CONNECT request with the longest credentials */

enum exchange_state {
        EXCHANGE_GOES_ON,
        EXCHANGE_DONE,
        EXCHANGE_FAILED,
};

struct exchange {
        enum exchange_state state;
        enum cause cause; /* of the failure */
        size_t n_output;  /* to be sent; whoever sent it sets it to 0 */
        uint8_t output[EXCHANGE_OUTPUT_MAX];
};

/* Appends to the output. What does not fit is a mistake of ours: the exchange fails. */
void exchange_say(struct exchange *exchange, const void *bytes, size_t size);
void exchange_fail(struct exchange *exchange, enum cause cause);
