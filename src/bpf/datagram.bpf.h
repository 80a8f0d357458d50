/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* Whom a packet of the instance's sockets is from, and for whom, if it is a datagram of UDP. */

#include "bpf/kernel.h"
#include "bpf/steer.abi.h"

#define IPV4_HEADER_MIN  20
#define IPV6_HEADER      40
#define UDP_HEADER       8
#define EXTENSIONS_MAX   4 /* more of them hide a datagram from us */
#define EXT_HOP_BY_HOP   0
#define EXT_ROUTING      43
#define EXT_DESTINATIONS 60

static __always_inline __u32 read_ipv4(struct __sk_buff *skb, bool is_destination,
                                       struct steer_address *ret_address)
{
        __u8 header[IPV4_HEADER_MIN];
        __u32 address;

        if (bpf_skb_load_bytes(skb, 0, header, sizeof(header)) < 0 || header[9] != IPPROTO_UDP)
                return 0;
        __builtin_memcpy(&address, header + (is_destination ? 16 : 12), sizeof(address));
        ret_address->high = 0;
        ret_address->low = bpf_cpu_to_be64(0x0000ffff00000000ULL) | (__u64)address << 32;
        return (header[0] & 15) * 4;
}

static __always_inline bool is_extension(__u8 header)
{
        return header == EXT_HOP_BY_HOP || header == EXT_ROUTING || header == EXT_DESTINATIONS;
}

static __always_inline __u32 read_ipv6(struct __sk_buff *skb, bool is_destination,
                                       struct steer_address *ret_address)
{
        __u8 next = 0, extension[2];
        __u32 at = IPV6_HEADER;

        if (bpf_skb_load_bytes(skb, 6, &next, sizeof(next)) < 0)
                return 0;
        for (int i = 0; i < EXTENSIONS_MAX && is_extension(next); i++) {
                if (bpf_skb_load_bytes(skb, at, extension, sizeof(extension)) < 0)
                        return 0;
                next = extension[0];
                at += (extension[1] + 1) * 8;
        }
        if (next != IPPROTO_UDP || bpf_skb_load_bytes(skb, is_destination ? 24 : 8, ret_address,
                                                      sizeof(*ret_address)) < 0)
                return 0;
        return at;
}

/* One end's address, and where the header of UDP begins; 0: it is none. */
static __always_inline __u32 read_datagram_end(struct __sk_buff *skb, bool is_destination,
                                               struct steer_address *ret_address)
{
        if (skb->protocol == bpf_htons(ETH_P_IP))
                return read_ipv4(skb, is_destination, ret_address);
        if (skb->protocol == bpf_htons(ETH_P_IPV6))
                return read_ipv6(skb, is_destination, ret_address);
        return 0;
}
