/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The instance's bits of packet and socket marks: one 4-bit field at the place of the
 * instance's mask. Everybody else's bits are never touched, and ours leave
 * our chains with no packet.
 */

#include <stdint.h>

enum mark {
        MARK_UNDECIDED = 0,
        MARK_PASS_SOCKET = 1, /* on a socket: allowed by rules at connect() */
        MARK_PASS = 2,        /* verdict on a packet */
        MARK_DROP = 3,        /* verdict on a packet */
        MARK_REFUSE = 4,      /* verdict on a packet */
        MARK_ASKED = 5,       /* on its way to the queue; past it: nobody listens */
        MARK_PASS_ONCE = 6,   /* verdict on a packet whose flow is over: not remembered */
};

/* mark in the place of mask: 0x02000000 for MARK_PASS and 0x0f000000 */
static inline uint32_t mark_bits(enum mark mark, uint32_t mask)
{
        return (uint32_t)mark << __builtin_ctz(mask);
}
