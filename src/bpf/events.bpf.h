/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* What flowd is told. */

#include "bpf/kernel.h"
#include "bpf/state.bpf.h"
#include "bpf/steer.abi.h"

/* struct steer_event; read by flowd. */
struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 1024 * 1024);
} events SEC(".maps");

/* Room for an event of the type's size, with its head filled; NULL and counted if there is none. */
#define new_event(type_, size, cookie_)                                                            \
        ({                                                                                         \
                struct steer_event *_event = bpf_ringbuf_reserve(&events, size, 0);                \
                                                                                                   \
                if (_event)                                                                        \
                        *_event = (struct steer_event){ .type = type_, .cookie = cookie_ };        \
                else                                                                               \
                        __sync_fetch_and_add(&state.counters.events_lost, 1);                      \
                (void *)_event;                                                                    \
        })
