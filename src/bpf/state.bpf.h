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
