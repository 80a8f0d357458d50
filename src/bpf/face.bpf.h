/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * getsockname(2) and getpeername(2) of a socket whose bytes filters see on their way: its other end
 * is flowd, and it says what it stands for; also of where a datagram came from, and as where one is
 * to go. In flowd's own cgroup, which such sockets keep.
 */

#include "bpf/kernel.h"
#include "bpf/steer.abi.h"

/* What sockets of flowd's say their ends are, which extensions have. Written by flowd. */
struct {
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct steer_ends);
} faces SEC(".maps");

static __always_inline int say4(struct bpf_sock_addr *ctx, bool is_peer)
{
        const struct steer_ends *ends = bpf_sk_storage_get(&faces, ctx->sk, 0, 0);

        if (!ends)
                return 1;
        ctx->user_ip4 = (is_peer ? ends->remote.low : ends->local.low) >> 32;
        ctx->user_port = bpf_htons(is_peer ? ends->remote_port : ends->local_port);
        return 1;
}

static __always_inline int say6(struct bpf_sock_addr *ctx, bool is_peer)
{
        const struct steer_ends *ends = bpf_sk_storage_get(&faces, ctx->sk, 0, 0);
        struct steer_address address;

        if (!ends)
                return 1;
        address = is_peer ? ends->remote : ends->local;
        ctx->user_ip6[0] = (__u32)address.high;
        ctx->user_ip6[1] = address.high >> 32;
        ctx->user_ip6[2] = (__u32)address.low;
        ctx->user_ip6[3] = address.low >> 32;
        ctx->user_port = bpf_htons(is_peer ? ends->remote_port : ends->local_port);
        return 1;
}

SEC("cgroup/getsockname4")
int getsockname4(struct bpf_sock_addr *ctx)
{
        return say4(ctx, false);
}

SEC("cgroup/getsockname6")
int getsockname6(struct bpf_sock_addr *ctx)
{
        return say6(ctx, false);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
        return say4(ctx, true);
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
        return say6(ctx, true);
}

SEC("cgroup/recvmsg4")
int heard4(struct bpf_sock_addr *ctx)
{
        return say4(ctx, true);
}

SEC("cgroup/recvmsg6")
int heard6(struct bpf_sock_addr *ctx)
{
        return say6(ctx, true);
}

/* Who answers whom a datagram was from means the other end. */
SEC("cgroup/sendmsg4")
int answer4(struct bpf_sock_addr *ctx)
{
        const struct steer_ends *ends = bpf_sk_storage_get(&faces, ctx->sk, 0, 0);

        if (!ends || ctx->user_ip4 != (__u32)(ends->remote.low >> 32) ||
            ctx->user_port != bpf_htons(ends->remote_port))
                return 1;
        ctx->user_ip4 = ctx->sk->dst_ip4;
        ctx->user_port = ctx->sk->dst_port;
        return 1;
}

SEC("cgroup/sendmsg6")
int answer6(struct bpf_sock_addr *ctx)
{
        const struct steer_ends *ends = bpf_sk_storage_get(&faces, ctx->sk, 0, 0);

        if (!ends || ctx->user_ip6[0] != (__u32)ends->remote.high ||
            ctx->user_ip6[1] != (__u32)(ends->remote.high >> 32) ||
            ctx->user_ip6[2] != (__u32)ends->remote.low ||
            ctx->user_ip6[3] != (__u32)(ends->remote.low >> 32) ||
            ctx->user_port != bpf_htons(ends->remote_port))
                return 1;
        ctx->user_ip6[0] = ctx->sk->dst_ip6[0];
        ctx->user_ip6[1] = ctx->sk->dst_ip6[1];
        ctx->user_ip6[2] = ctx->sk->dst_ip6[2];
        ctx->user_ip6[3] = ctx->sk->dst_ip6[3];
        ctx->user_port = ctx->sk->dst_port;
        return 1;
}
