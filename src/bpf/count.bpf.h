/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * How many bytes flows had, where a filter wants reports. TCP counts by itself, and is asked as its
 * program closes the socket. UDP does not: while there is a flow of datagrams whose bytes somebody
 * wants to know, each packet of the instance's sockets passes here, and is looked up if it is one
 * of UDP.
 */

#include "bpf/datagram.bpf.h"
#include "bpf/kernel.h"
#include "bpf/steer.abi.h"
#include "bpf/state.bpf.h"

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

static __always_inline int count_datagram(struct __sk_buff *skb, bool is_outbound)
{
        struct steer_counted_flow flow = {};
        struct steer_counted_bytes *bytes;
        __u32 header = read_datagram_end(skb, is_outbound, &flow.remote);
        __u16 port = 0;

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
