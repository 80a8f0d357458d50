/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * How many bytes flows had, where a filter wants reports. TCP counts by itself, and is asked as its
 * program closes the socket. UDP does not: while there is a flow of datagrams whose bytes somebody
 * wants to know, each packet of the instance's sockets passes here, and is looked up if it is one
 * of UDP. Extension headers of IPv6 hide a datagram from us.
 */

#include "bpf/kernel.h"
#include "bpf/steer.abi.h"
#include "bpf/state.bpf.h"

#define IPV4_HEADER_MIN 20
#define IPV6_HEADER     40
#define UDP_HEADER      8

/* Written and removed by flowd, which reads what is counted; the oldest goes when full. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 16384);
        __type(key, struct steer_counted_flow);
        __type(value, struct steer_counted_bytes);
} counted SEC(".maps");

/* Of a socket of TCP. */
static __always_inline void read_tally(const void *socket, struct steer_tally *tally)
{
        const struct tcp_sock *tcp = socket;

        if (!state.wants_tally)
                return;
        tally->acked = BPF_CORE_READ(tcp, bytes_acked);
        tally->received = BPF_CORE_READ(tcp, bytes_received);
        tally->queued = BPF_CORE_READ(tcp, write_seq) - BPF_CORE_READ(tcp, snd_una);
        tally->state = BPF_CORE_READ((const struct sock *)socket, __sk_common.skc_state);
        tally->has_end = BPF_CORE_READ((const struct sock *)socket, __sk_common.skc_flags) >>
                                 bpf_core_enum_value(enum sock_flags, SOCK_DONE) &
                         1;
}

/* The other end's address and port, and the size of the header before that of UDP; 0: none. */
static __always_inline __u32 read_ipv4(struct __sk_buff *skb, bool is_outbound,
                                       struct steer_counted_flow *flow)
{
        __u8 header[IPV4_HEADER_MIN];
        __u32 address;

        if (bpf_skb_load_bytes(skb, 0, header, sizeof(header)) < 0 || header[9] != IPPROTO_UDP)
                return 0;
        __builtin_memcpy(&address, header + (is_outbound ? 16 : 12), sizeof(address));
        flow->remote.low = bpf_cpu_to_be64(0x0000ffff00000000ULL) | (__u64)address << 32;
        return (header[0] & 15) * 4;
}

static __always_inline __u32 read_ipv6(struct __sk_buff *skb, bool is_outbound,
                                       struct steer_counted_flow *flow)
{
        __u8 next = 0;

        if (bpf_skb_load_bytes(skb, 6, &next, sizeof(next)) < 0 || next != IPPROTO_UDP)
                return 0;
        if (bpf_skb_load_bytes(skb, is_outbound ? 24 : 8, &flow->remote, sizeof(flow->remote)) < 0)
                return 0;
        return IPV6_HEADER;
}

static __always_inline int count_datagram(struct __sk_buff *skb, bool is_outbound)
{
        struct steer_counted_flow flow = {};
        struct steer_counted_bytes *bytes;
        __u32 header = 0;
        __u16 port = 0;

        if (skb->protocol == bpf_htons(ETH_P_IP))
                header = read_ipv4(skb, is_outbound, &flow);
        else if (skb->protocol == bpf_htons(ETH_P_IPV6))
                header = read_ipv6(skb, is_outbound, &flow);
        if (!header || bpf_skb_load_bytes(skb, header + (is_outbound ? 2 : 0), &port, 2) < 0)
                return 1;
        flow.cookie = bpf_get_socket_cookie(skb);
        flow.remote_port = bpf_ntohs(port);
        bytes = bpf_map_lookup_elem(&counted, &flow);
        if (bytes)
                __sync_fetch_and_add(is_outbound ? &bytes->outbound : &bytes->inbound,
                                     skb->len - header - UDP_HEADER);
        return 1;
}

SEC("cgroup_skb/egress")
int count_outbound(struct __sk_buff *skb)
{
        return count_datagram(skb, true);
}

SEC("cgroup_skb/ingress")
int count_inbound(struct __sk_buff *skb)
{
        return count_datagram(skb, false);
}
