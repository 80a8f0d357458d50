/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* What flowd says about each claimed flow. */

#include "bpf/kernel.h"
#include "bpf/steer.abi.h"

/*
 * Written by flowd, by mmap: a grant as it asks a proxy about a flow, read by attach(), until a later
 * one needs its place; a delivery as it lets the first segment go, taken by the socket when the
 * answer comes.
 */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, STEER_SHELVES);
        __uint(map_flags, BPF_F_MMAPABLE);
        __type(key, __u32);
        __type(value, struct steer_shelf);
} shelves SEC(".maps");

static __always_inline struct steer_shelf *shelf_of(__u64 number)
{
        __u32 place = number % STEER_SHELVES;

        return bpf_map_lookup_elem(&shelves, &place);
}

/* What the extension of this process may do with the flow; NULL: nothing. */
static __always_inline struct steer_granted *granted_of(__u64 flow)
{
        struct steer_shelf *shelf = shelf_of(flow);
        __u64 cgroup_id = bpf_get_current_cgroup_id();

        if (!shelf)
                return NULL;
        for (int i = 0; i < STEER_SHELF_SIZE; i++)
                if (shelf->granted[i].flow == flow && shelf->granted[i].cgroup_id == cgroup_id)
                        return &shelf->granted[i];
        return NULL;
}

/* Has a proxy claimed the TCP socket's flow? Told once. */
static __always_inline bool take_delivered(__u64 cookie)
{
        struct steer_shelf *shelf = shelf_of(cookie);

        if (!shelf)
                return false;
        for (int i = 0; i < STEER_SHELF_SIZE; i++)
                if (shelf->delivered[i] == cookie)
                        return __sync_val_compare_and_swap(&shelf->delivered[i], cookie, 0) ==
                               cookie;
        return false;
}
