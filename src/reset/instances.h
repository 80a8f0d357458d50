/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The runtime folders of the instances that are meant, and what netextd noted in them. */

#include <jansson.h>
#include <stdint.h>

#include "reset/reset.h"

/* state: NULL where it is not there, or broken; borrowed, as all of it, during the call. */
typedef void instance_fn(struct reset *reset, const char *name, int folder_fd, const json_t *state,
                         void *userdata);

void instances_visit(struct reset *reset, instance_fn *fn, void *userdata);

/* "" and 0 where there is none. */
const char *state_text(const json_t *state, const char *key);
uint64_t state_number(const json_t *state, const char *key);
