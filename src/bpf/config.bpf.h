/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* Whose programs these are, and the bits of marks that are theirs. Written by flowd as it loads. */

#include "bpf/kernel.h"

const volatile __u64 netns_cookie;
const volatile __u32 mark_mask;
const volatile __u32 mark_pass;
const volatile __u32 mark_deliver;
const volatile __u32 mark_carried;
const volatile __u32 mark_relay;
const volatile __u32 mark_own;
const volatile __u32 mark_onward;
