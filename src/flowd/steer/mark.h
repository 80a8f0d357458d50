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
        MARK_DELIVER = 7,     /* on the socket and on the packets of a claimed flow */
        MARK_NO_HOST = 8,     /* verdict on a packet: refused, as no host */
        MARK_NO_NETWORK = 9,  /* verdict on a packet: refused, as no network */
        MARK_RELAY = 10,      /* on the datagram sockets that speak for destinations */
        MARK_CARRIED = 11,    /* on an extension's socket that carries a flow on, undecided */
        MARK_CLAIMED = 12,    /* verdict on a packet: becomes DELIVER */
        MARK_OWN = 13,        /* on flowd's own sockets to destinations and to visitors */
        MARK_WATCHED = 14,    /* verdict on a datagram: filters see those of its flow */
        MARK_ONWARD = 15,     /* on both sockets between flowd and the server that is visited */
        /* What comes in cannot be an extension's: on a datagram to a group, on its way to the queue;
         * past it: nobody listens. */
        MARK_GROUP = MARK_CARRIED,
        /* What goes out is not watched by its mark, and only tcp goes onward: on a datagram on its way
         * to the queue, behind others of its flow; and the verdict that lets it pass. */
        MARK_LINED = MARK_WATCHED,
        MARK_PASS_LINED = MARK_ONWARD,
};

/* DELIVER and ONWARD are the only ones with these bits; both go to lo. */
#define MARK_TO_LO_BITS 7

/* mark in the place of mask: 0x02000000 for MARK_PASS and 0x0f000000 */
static inline uint32_t mark_bits(enum mark mark, uint32_t mask)
{
        return (uint32_t)mark << __builtin_ctz(mask);
}
