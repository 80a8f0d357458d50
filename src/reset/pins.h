/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "reset/reset.h"

typedef void pins_queue_fn(const char *instance, uint32_t queue, void *userdata);

/* The number of the first queue of each instance of which that is pinned. */
void pins_list_queues(pins_queue_fn *fn, void *userdata);
/* The pinned BPF objects of the instances that are meant: what nobody else holds goes with them.
 * Also the file systems that were mounted for them. */
void pins_remove(struct reset *reset);
