/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The kernel's TCP sockets, asked for where they send from. */

#include <stdint.h>

#include "base/endpoint.h"

typedef void sockets_fn(uint64_t cookie, const struct endpoint *local, void *userdata);

/*
 * Calls fn for each open TCP socket of this network namespace whose mark is `mark` where
 * mark_mask has bits. Walks the kernel's whole table: for when somebody looks, not for each
 * flow. 0, or a negative errno; fn may have been called by then.
 */
int sockets_list(uint32_t mark, uint32_t mark_mask, sockets_fn *fn, void *userdata);
