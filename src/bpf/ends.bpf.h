/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* The addresses at both ends of a socket, as the kernel's own struct has them. */

#include "bpf/kernel.h"
#include "bpf/steer.abi.h"

static __always_inline struct steer_address mapped(__u32 ipv4)
{
        struct steer_address address = {
                .low = bpf_cpu_to_be64(0x0000ffff00000000ULL) | (__u64)ipv4 << 32,
        };

        return address;
}

static __always_inline struct steer_address address6(const __u32 words[4])
{
        struct steer_address address = {
                .high = (__u64)words[1] << 32 | words[0],
                .low = (__u64)words[3] << 32 | words[2],
        };

        return address;
}

/*
 * What struct bpf_sock does not show at its release is read from the kernel's own struct:
 * the context is the socket. Each such read costs as much as a helper.
 */
#define read_socket(ctx, member) BPF_CORE_READ((const struct sock *)(ctx), __sk_common.member)

static __always_inline struct steer_address local_address(const void *socket, __u32 family)
{
        struct steer_address address;

        if (family == AF_INET)
                return mapped(read_socket(socket, skc_rcv_saddr));
        bpf_core_read(&address, sizeof(address),
                      &((const struct sock *)socket)->__sk_common.skc_v6_rcv_saddr);
        return address;
}

static __always_inline struct steer_address remote_address(const void *socket, __u32 family)
{
        struct steer_address address;

        if (family == AF_INET)
                return mapped(read_socket(socket, skc_daddr));
        bpf_core_read(&address, sizeof(address),
                      &((const struct sock *)socket)->__sk_common.skc_v6_daddr);
        return address;
}
