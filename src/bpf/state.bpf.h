/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * What outlives a restart of flowd beside the maps: pinned like them, read and written
 * through mmap. The programs keep no other state, so a new flowd swaps them in place.
 */

#include "bpf/kernel.h"
#include "bpf/steer.abi.h"

/* No chain is in force until flowd writes one: the first byte ends it. */
volatile struct steer_state state = { .chains = { [0 ... STEER_CHAINS - 1] = { 0xff } } };

/*
 * 0, but the verifier cannot know that. Before Linux 6.7 it follows the callback of bpf_loop() once,
 * with what its context holds in the beginning, takes that for all that it will ever hold, and
 * removes what it could not reach so: bounds as well. So what a callback changes and looks at begins
 * with this.
 */
static __always_inline __u32 unknown_zero(void)
{
        return state.zero;
}
