/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Whose is an MPTCP connection? Each of its ways is a TCP socket of its own, which the hooks see,
 * and the kernel begins the later ones itself, from one of its threads. So the socket that the
 * program has keeps whose it is.
 */

#include "bpf/kernel.h"
#include "bpf/state.bpf.h"
#include "bpf/steer.abi.h"

struct connection {
        struct steer_owner owner; /* of the first way */
        __u64 path_hash;
        __u64 digest;
};

struct {
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct connection);
} connections SEC(".maps");

/* The connection that a TCP socket is one way of; NULL: it is all there is. */
static __always_inline struct mptcp_sock *connection_of(struct bpf_sock *socket)
{
        if (!bpf_core_type_exists(struct mptcp_sock) ||
            !bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_skc_to_mptcp_sock))
                return NULL;
        return bpf_skc_to_mptcp_sock(socket);
}

/* One more way of a connection that stands. */
static __always_inline bool is_later_way(const struct mptcp_sock *connection)
{
        return connection && connection->sk.icsk_inet.sk.__sk_common.skc_state != BPF_TCP_SYN_SENT;
}

/* Whoever runs now has no part in it. A connection that others began has no record. */
static __always_inline void judge_by_connection(struct mptcp_sock *socket,
                                                struct steer_question *question,
                                                struct steer_owner *owner)
{
        const struct connection *connection = bpf_sk_storage_get(&connections, socket, 0, 0);

        owner->time_ns = bpf_ktime_get_boot_ns();
        question->digest = STEER_DIGEST_NONE;
        question->uid = ~0U;
        if (!connection)
                return;
        question->process = owner->process = connection->owner.process;
        question->cgroup_id = owner->cgroup_id = connection->owner.cgroup_id;
        question->uid = owner->uid = connection->owner.uid;
        question->kind = owner->kind = connection->owner.kind;
        question->path_hash = connection->path_hash;
        question->digest = connection->digest;
        owner->cookie = connection->owner.cookie; /* they end together */
}

static __always_inline void keep_connection(struct mptcp_sock *socket,
                                            const struct steer_question *question,
                                            const struct steer_owner *owner)
{
        struct connection *kept =
                bpf_sk_storage_get(&connections, socket, 0, BPF_SK_STORAGE_GET_F_CREATE);

        if (!kept) {
                __sync_fetch_and_add(&state.counters.owners_lost, 1);
                return;
        }
        kept->owner = *owner;
        kept->path_hash = question->path_hash;
        kept->digest = question->digest;
}
