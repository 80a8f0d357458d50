/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Whose are the sockets that are older than the hooks? An iterator walks the open files of all
 * processes. What is found is kept on the socket, as if a hook had met the program, so that
 * packets, visitors and the socket's end find it there; and it says that it was found.
 */

#include "bpf/config.bpf.h"
#include "bpf/ends.bpf.h"
#include "bpf/judge.bpf.h"
#include "bpf/kernel.h"
#include "bpf/lookup.bpf.h"
#include "bpf/owner.bpf.h"
#include "bpf/state.bpf.h"
#include "bpf/steer.abi.h"

/* What goes another way than its program's packets would (delivered, flowd's own) is no older
 * flow: flowd knows it, or knew it. */
static __always_inline bool is_of_instance(struct sock *socket)
{
        struct net *net = BPF_CORE_READ(socket, __sk_common.skc_net.net);
        struct cgroup *cgroup = BPF_CORE_READ(socket, sk_cgrp_data.cgroup);
        __u32 mark = BPF_CORE_READ(socket, sk_mark) & mark_mask;
        __u16 family = read_socket(socket, skc_family);
        __u16 protocol = BPF_CORE_READ(socket, sk_protocol);

        return (family == AF_INET || family == AF_INET6) &&
               (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) &&
               (mark == 0 || mark == mark_pass) && BPF_CORE_READ(net, net_cookie) == netns_cookie &&
               is_our_cgroup(cgroup);
}

/*
 * Sequence numbers tell who began a connection: one's own SYN is acked like a byte, the other's
 * is not. What is acked or on its way, without what the program said and without a FIN, is the SYN.
 */
static __always_inline bool has_begun(const void *socket, __u8 state)
{
        const struct tcp_sock *tcp = socket;
        __u32 next = BPF_CORE_READ(tcp, snd_nxt);
        __u64 gone = BPF_CORE_READ(tcp, bytes_acked) + (next - BPF_CORE_READ(tcp, snd_una));
        __u64 said = BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans);
        bool has_ended = state != BPF_TCP_ESTABLISHED && state != BPF_TCP_CLOSE_WAIT &&
                         next == BPF_CORE_READ(tcp, write_seq);

        return gone != said + has_ended;
}

static __always_inline bool is_conversation(__u16 protocol, __u8 state)
{
        if (protocol == IPPROTO_UDP)
                return state == BPF_TCP_ESTABLISHED;
        return state != BPF_TCP_CLOSE && state != BPF_TCP_LISTEN && state != BPF_TCP_SYN_SENT;
}

/* Who is known already stays, unless one was found who is older. */
static __always_inline const struct steer_owner *keep_holder(void *map, struct sock *socket,
                                                             const struct steer_owner *owner)
{
        struct steer_owner *kept = bpf_sk_storage_get(map, socket, 0, BPF_SK_STORAGE_GET_F_CREATE);

        if (!kept) {
                __sync_fetch_and_add(&state.counters.owners_lost, 1);
                return NULL;
        }
        if (!kept->cookie || (kept->is_holder && owner->process.start_ns < kept->process.start_ns))
                *kept = *owner;
        return kept;
}

static __always_inline void owner_of_holder(struct task_struct *task, struct steer_owner *owner)
{
        struct task_struct *leader = BPF_CORE_READ(task, group_leader);

        owner->kind = STEER_OWNER_PROGRAM;
        owner->is_holder = 1;
        owner->uid = BPF_CORE_READ(leader, cred, uid.val);
        owner->cgroup_id = BPF_CORE_READ(leader, cgroups, dfl_cgrp, kn, id);
        owner->process = key_of(leader);
        if (bpf_map_lookup_elem(&processes, &owner->process))
                record_cgroup(owner->cgroup_id, (__u64)leader);
        else
                record_process(&owner->process, owner->cgroup_id, (__u64)leader);
}

/* Writes a struct steer_open_socket for each process that has one. */
SEC("iter/task_file")
int find_open_sockets(struct bpf_iter__task_file *ctx)
{
        struct steer_open_socket found = { .direction = DIRECTION_OUTBOUND };
        struct task_struct *task = ctx->task;
        struct file *file = ctx->file;
        const struct steer_owner *kept;
        struct socket *socket;
        struct sock *sock;
        __u16 family;
        __u8 tcp_state;

        if (!task || !file)
                return 0;
        socket = bpf_sock_from_file(file);
        if (!socket)
                return 0;
        sock = socket->sk;
        if (!sock || !is_of_instance(sock))
                return 0;
        family = read_socket(sock, skc_family);
        tcp_state = read_socket(sock, skc_state);
        found.owner.protocol = BPF_CORE_READ(sock, sk_protocol);
        found.owner.cookie = bpf_get_socket_cookie(sock);
        found.local_port = read_socket(sock, skc_num);
        owner_of_holder(task, &found.owner);
        if (!is_conversation(found.owner.protocol, tcp_state)) {
                if (found.local_port && !bpf_sk_storage_get(&owners, sock, 0, 0))
                        keep_holder(&listeners, sock, &found.owner);
                return 0;
        }
        found.owner.remote = remote_address(sock, family);
        found.owner.remote_port = bpf_ntohs(read_socket(sock, skc_dport));
        found.local = local_address(sock, family);
        if (found.owner.protocol == IPPROTO_TCP && !has_begun(sock, tcp_state))
                found.direction = DIRECTION_INBOUND;
        kept = keep_holder(&owners, sock, &found.owner);
        if (kept)
                found.owner = *kept;
        bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
        return 0;
}
