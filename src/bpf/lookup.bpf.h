/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Whose is the socket behind a packet? flowd asks the socket tables by a test run, and the sockets
 * tell what the hooks left on them.
 */

#include "bpf/kernel.h"
#include "bpf/steer.abi.h"

const volatile __u64 cgroup_id;    /* of the instance … */
const volatile __u32 cgroup_level; /* … unless this is 0: the whole machine */

/* The owner of a socket, for as long as the socket lives. */
struct {
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct steer_owner);
} owners SEC(".maps");

/* Who bound the socket that others can reach, for as long as it lives. */
struct {
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct steer_owner);
} listeners SEC(".maps");

/*
 * Room for the beginning of a struct sock. The verifier lets nobody add to a pointer to a socket of
 * the tables, so that what lies within is read from there on.
 */
#define HEAD_SIZE 1024
struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, char[HEAD_SIZE]);
} heads SEC(".maps");

/* The same of sockets for datagrams, by cookie: where one comes for several of them, the socket tables
 * tell no more. Written by the bind() hooks; a socket takes its own along; read by flowd. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, 65536);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, __u64);
        __type(value, struct steer_owner);
} receivers SEC(".maps");

static __always_inline bool is_ipv4(const struct steer_address *address)
{
        return !address->high && (__u32)address->low == bpf_htonl(0x0000ffff);
}

static __always_inline struct bpf_sock *find_socket(struct __sk_buff *skb,
                                                    const struct steer_lookup *lookup)
{
        struct bpf_sock_tuple tuple = {};
        __u32 size;

        /* The tables are asked as for an answer: its source is the flow's remote end. */
        if (is_ipv4(&lookup->remote)) {
                tuple.ipv4.saddr = lookup->remote.low >> 32;
                tuple.ipv4.daddr = lookup->local.low >> 32;
                tuple.ipv4.sport = bpf_htons(lookup->remote_port);
                tuple.ipv4.dport = bpf_htons(lookup->local_port);
                size = sizeof(tuple.ipv4);
        } else {
                __builtin_memcpy(tuple.ipv6.saddr, &lookup->remote, 16);
                __builtin_memcpy(tuple.ipv6.daddr, &lookup->local, 16);
                tuple.ipv6.sport = bpf_htons(lookup->remote_port);
                tuple.ipv6.dport = bpf_htons(lookup->local_port);
                size = sizeof(tuple.ipv6);
        }
        if (lookup->protocol == IPPROTO_TCP)
                return bpf_sk_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
        return bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
}

/*
 * A tunnel of the kernel sends from ports of its own choosing to the port on which it listens
 * itself, where its peers do (VXLAN: RFC 7348, 5; Geneve: RFC 8926, 3.3).
 */
static __always_inline struct bpf_sock *find_tunnel(struct __sk_buff *skb,
                                                    const struct steer_lookup *lookup)
{
        struct steer_lookup tunnel = *lookup;

        tunnel.local_port = lookup->remote_port;
        return find_socket(skb, &tunnel);
}

/* What remains of an earlier connection of the same ends (TIME_WAIT) hides who listens. */
static __always_inline struct bpf_sock *find_listener(struct __sk_buff *skb,
                                                      struct steer_lookup *lookup)
{
        lookup->remote_port = 0;
        return find_socket(skb, lookup);
}

/* The instance's, or below it? */
static __always_inline bool is_our_cgroup(struct cgroup *cgroup)
{
        struct cgroup *ancestor = NULL;
        void *at;

        if (!cgroup_level)
                return true;
        if (!has_cgroup_levels() || BPF_CORE_READ(cgroup, level) < (int)cgroup_level)
                return false;
        at = (void *)cgroup + bpf_core_field_offset(struct cgroup, ancestors);
        bpf_probe_read_kernel(&ancestor, sizeof(ancestor), at + cgroup_level * sizeof(ancestor));
        return BPF_CORE_READ(ancestor, kn, id) == cgroup_id;
}

/* Of a program of the instance? */
static __always_inline bool is_ours(struct bpf_sock *socket)
{
        struct tcp_sock *tcp = bpf_skc_to_tcp_sock(socket);

        return !cgroup_level ||
               (tcp && is_our_cgroup(tcp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup));
}

/* Nobody has a socket of the kernel's own open (sock_create_kern(): it has no file). */
static __always_inline bool is_kernels(struct bpf_sock *socket)
{
        __u32 offset = bpf_core_field_offset(struct sock, sk_socket), first = 0;
        char *head = bpf_map_lookup_elem(&heads, &first);
        struct socket *opened;

        if (!head || offset > HEAD_SIZE - sizeof(opened) ||
            bpf_probe_read_kernel(head, offset + sizeof(opened), socket) < 0)
                return false;
        opened = *(struct socket **)(head + offset);
        return opened && !BPF_CORE_READ(opened, file);
}

/* Who bound the socket; or, where that was the kernel with its first datagram, who sent that. */
static __always_inline struct steer_owner *server_of(struct bpf_sock *socket)
{
        struct steer_owner *owner = bpf_sk_storage_get(&listeners, socket, 0, 0);

        return owner ? owner : bpf_sk_storage_get(&owners, socket, 0, 0);
}

/* Will it get what came in? nft has asked whose a socket for datagrams is. */
static __always_inline bool is_server(struct bpf_sock *socket, const struct steer_lookup *lookup)
{
        if (lookup->protocol == IPPROTO_UDP)
                return true;
        return socket->state == BPF_TCP_LISTEN && is_ours(socket);
}

/*
 * Sent it the packet? Not one that listens on the port, nor one that has got the port of another,
 * whose first segment waited here longer than it lived.
 */
static __always_inline bool is_sender(struct bpf_sock *socket, const struct steer_lookup *lookup)
{
        struct tcp_sock *tcp = bpf_skc_to_tcp_sock(socket);

        if (socket->state == BPF_TCP_SYN_SENT && tcp)
                return tcp->snd_una == lookup->sequence;
        return socket->state != BPF_TCP_LISTEN;
}

static __always_inline void note_socket(struct steer_lookup *lookup, struct bpf_sock *socket)
{
        struct steer_owner *owner;

        if (lookup->is_inbound ? !is_server(socket, lookup) : !is_sender(socket, lookup))
                return;
        if (lookup->is_inbound)
                owner = server_of(socket);
        else
                owner = bpf_sk_storage_get(&owners, socket, 0, 0);
        if (owner)
                lookup->owner = *owner;
        lookup->is_bound = socket->bound_dev_if != 0;
        if (owner)
                lookup->found = STEER_FOUND_OWNER;
        else if (lookup->protocol == IPPROTO_UDP && is_kernels(socket))
                lookup->found = STEER_FOUND_KERNEL;
        else
                lookup->found = STEER_FOUND_SOCKET;
}

struct lookups {
        struct __sk_buff *skb;
};

static long look_up(__u32 index, struct lookups *lookups)
{
        __u32 offset = index * sizeof(struct steer_lookup);
        struct __sk_buff *skb = lookups->skb;
        struct steer_lookup lookup = {};
        struct bpf_sock *socket;

        if (bpf_skb_load_bytes(skb, offset, &lookup, sizeof(lookup)) < 0)
                return 1;
        socket = find_socket(skb, &lookup);
        if (!socket && lookup.is_inbound)
                socket = find_listener(skb, &lookup);
        if (socket) {
                note_socket(&lookup, socket);
        } else if (lookup.protocol == IPPROTO_UDP && !lookup.is_inbound) {
                socket = find_tunnel(skb, &lookup);
                if (socket && is_kernels(socket))
                        lookup.found = STEER_FOUND_KERNEL;
        }
        if (!socket)
                return 0;
        bpf_sk_release(socket);
        if (lookup.found)
                bpf_skb_store_bytes(skb, offset, &lookup, sizeof(lookup), 0);
        return 0;
}

/* Answers an array of struct steer_lookup by a test run: whose are the sockets behind queued
 * packets? */
SEC("tc")
int look_up_sockets(struct __sk_buff *skb)
{
        struct lookups lookups = { .skb = skb };

        bpf_loop(STEER_LOOKUPS_MAX, look_up, &lookups, 0);
        return TC_ACT_OK;
}
