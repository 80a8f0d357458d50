/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Who made a socket? Mostly who begins its flows, but a socket can be inherited or handed on. Each
 * of the last STEER_CREATORS sockets has its place in an array, which costs no memory of the socket
 * and is found without a search: cookies are counted up.
 */

#include "bpf/connection.bpf.h"
#include "bpf/kernel.h"
#include "bpf/owner.bpf.h"
#include "bpf/steer.abi.h"

/* Written by sock_create(), read by flowd, by mmap; a later socket needs the place. */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, STEER_CREATORS);
        __uint(map_flags, BPF_F_MMAPABLE);
        __type(key, __u32);
        __type(value, struct steer_creator);
} creators SEC(".maps");

/* Processes that have a record, as far as there are places: to look here is to search once less. */
#define MAKERS 4096
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, MAKERS);
        __type(key, __u32);
        __type(value, struct steer_process_key);
} makers SEC(".maps");

static __always_inline bool is_same_process(const struct steer_process_key *a,
                                            const struct steer_process_key *b)
{
        return a->start_ns == b->start_ns && a->tgid == b->tgid && a->exec_id == b->exec_id;
}

static __always_inline struct steer_creator *creator_place(__u64 cookie)
{
        __u32 place = cookie % STEER_CREATORS;

        return bpf_map_lookup_elem(&creators, &place);
}

/* Whoever reads it looks at the cookie before and after. */
static __always_inline void write_creator(struct steer_creator *at, __u64 cookie,
                                          const struct steer_process_key *process)
{
        volatile struct steer_creator *creator = at;

        creator->cookie = 0;
        creator->process.start_ns = process->start_ns;
        creator->process.tgid = process->tgid;
        creator->process.exec_id = process->exec_id;
        creator->cookie = cookie;
}

/* Its name has to be known when another process uses the socket, and it may be gone by then. */
static __always_inline void record_creator(const struct steer_process_key *key)
{
        __u32 place = key->tgid % MAKERS;
        struct steer_process_key *maker = bpf_map_lookup_elem(&makers, &place);

        if (!maker || is_same_process(maker, key))
                return;
        if (record_process(key, bpf_get_current_cgroup_id(), 0))
                *maker = *key;
}

/* Each socket costs what this does: memory of the kernel's is read without the helper for that. */
static __always_inline void note_creator(struct bpf_sock *ctx)
{
        struct task_struct *task = bpf_get_current_task_btf();
        __u64 cookie = bpf_get_socket_cookie(ctx);
        struct steer_creator *at = creator_place(cookie);
        struct steer_process_key key = {};

        if (!at || task->flags & PF_KTHREAD)
                return;
        key.tgid = task->tgid;
        key.start_ns = task->group_leader->start_boottime;
        key.exec_id = (__u32)task->self_exec_id;
        record_creator(&key);
        write_creator(at, cookie, &key);
}

/* The kernel makes the first way of an MPTCP connection; the program made the connection. */
static __always_inline void pass_creator_on(const struct mptcp_sock *connection, __u64 way)
{
        __u64 cookie = connection->sk.icsk_inet.sk.__sk_common.skc_cookie.counter;
        const struct steer_creator *creator = creator_place(cookie);
        struct steer_creator *at = creator_place(way);
        struct steer_process_key process;

        if (!creator || !at || !cookie || creator->cookie != cookie)
                return;
        process = creator->process;
        write_creator(at, way, &process);
}
