/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* What carries a flow on, and by which way it goes. */

#include "bpf/kernel.h"
#include "bpf/steer.abi.h"
#include "bpf/shelves.bpf.h"

/* What a socket was said to carry on, for as long as it lives. Written by attach(). */
struct {
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct steer_grant);
} carried SEC(".maps");

/* A socket leaves a tunnel no more: who has no CAP_NET_RAW cannot bind it anew, and neither do we.
 * Later ways of MPTCP would choose their interfaces themselves. */
static __always_inline int enter_tunnel(struct bpf_sockopt *ctx, __u32 interface)
{
        __u32 bound = ctx->sk->bound_dev_if;

        if (!interface)
                return -EINVAL;
        if (ctx->sk->protocol == IPPROTO_MPTCP)
                return -EPROTONOSUPPORT;
        if (bound)
                return bound == interface ? 0 : -EBUSY;
        return bpf_setsockopt(ctx->sk, SOL_SOCKET, SO_BINDTOIFINDEX, &interface, sizeof(interface));
}

static __always_inline bool is_in_tunnel(struct bpf_sock *socket)
{
        const struct steer_grant *kept = bpf_sk_storage_get(&carried, socket, 0, 0);

        return kept && kept->egress == STEER_EGRESS_TUNNEL;
}

static __always_inline int choose_egress(struct bpf_sockopt *ctx)
{
        const struct steer_attachment *attachment = ctx->optval;

        if (ctx->optname != STEER_EGRESS_TUNNEL)
                return is_in_tunnel(ctx->sk) ? -EBUSY : 0;
        if ((void *)(&attachment->interface + 1) > ctx->optval_end)
                return -EINVAL;
        return enter_tunnel(ctx, attachment->interface);
}

/* False: flowd has written over it meanwhile. */
static __always_inline bool keep_grant(struct bpf_sock *socket, const struct steer_granted *granted,
                                       __u64 flow, __u32 egress)
{
        struct steer_grant *kept;

        kept = bpf_sk_storage_get(&carried, socket, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (!kept)
                return false;
        *kept = granted->grant;
        kept->egress = egress;
        barrier();
        if (*(const volatile __u64 *)&granted->flow == flow)
                return true;
        bpf_sk_storage_delete(&carried, socket);
        return false;
}
