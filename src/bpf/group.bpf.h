/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * A datagram to a multicast group, or to all of a network, is one packet where packets are held, and
 * then goes to many sockets. Here it meets each of the instance's by itself, and reaches those that
 * were admitted. One that nobody was asked about misses it, and flowd hears of that: the next one
 * waits until somebody was asked. Attached while a session speaks of inbound flows.
 */

#include "bpf/datagram.bpf.h"
#include "bpf/events.bpf.h"
#include "bpf/kernel.h"
#include "bpf/state.bpf.h"
#include "bpf/steer.abi.h"

/* Written by flowd as the flow of a member is decided, and here once for who is none; the least
 * recently used goes when full. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 16384);
        __type(key, struct steer_member);
        __type(value, struct steer_admission);
} members SEC(".maps");

/* Raw sockets see copies of what came in, whoever it is for. */
static __always_inline bool is_for_datagrams(struct __sk_buff *skb)
{
        struct bpf_sock *socket = skb->sk;

        socket = socket ? bpf_sk_fullsock(socket) : NULL;
        return socket && socket->type == SOCK_DGRAM;
}

static __always_inline bool read_member(struct __sk_buff *skb, struct steer_member *ret_member)
{
        __u32 header = read_datagram_end(skb, true, &ret_member->group);
        __u16 ports[2];

        if (!header || !read_datagram_end(skb, false, &ret_member->remote) ||
            bpf_skb_load_bytes(skb, header, ports, sizeof(ports)) < 0)
                return false;
        ret_member->remote_port = bpf_ntohs(ports[0]);
        ret_member->group_port = bpf_ntohs(ports[1]);
        ret_member->cookie = bpf_get_socket_cookie(skb);
        return true;
}

/* Once, until rules change. */
static __always_inline void tell_unasked(const struct steer_member *member)
{
        struct steer_admission none = { .generation = state.generation };
        struct steer_event_unasked *unasked;

        unasked = new_event(STEER_EVENT_UNASKED, sizeof(*unasked), member->cookie);
        if (!unasked)
                return;
        unasked->member = *member;
        bpf_ringbuf_submit(unasked, 0);
        bpf_map_update_elem(&members, member, &none, BPF_ANY);
}

/* 0 keeps it from this socket. What a program of this host sent is a flow of that program. */
SEC("cgroup_skb/ingress")
int receive_group(struct __sk_buff *skb)
{
        const struct steer_admission *admission;
        struct steer_member member = {};

        if (skb->priority != STEER_GROUP_TAG || skb->pkt_type == PACKET_LOOPBACK ||
            !is_for_datagrams(skb))
                return 1;
        if (!read_member(skb, &member))
                return 0;
        admission = bpf_map_lookup_elem(&members, &member);
        if (admission && admission->is_admitted)
                return 1;
        if (!admission || admission->generation != state.generation)
                tell_unasked(&member);
        return 0;
}
