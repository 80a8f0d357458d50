/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "reset/reset.h"

/* The number of the instance's routing table, by its pinned state; 0: there is none, or one of
 * another version. */
uint32_t pins_find_route_table(const char *instance);
/* The pinned BPF objects of the instances that are meant: what nobody else holds goes with them.
 * Also the file systems that were mounted for them. */
void pins_remove(struct reset *reset);
