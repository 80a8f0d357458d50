/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The domains that rules and sets name, each by a number. Some domains together have one number
 * where they are a set's. Ten thousand cost a name as much as one: a look-up for each label.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/htable.h"

struct domains {
        struct htable by_number, by_wish, by_suffix;
};

/* 0 or -ENOMEM; deinit either way. */
int domains_init(struct domains *domains);
void domains_deinit(struct domains *domains);

/* The number of these together, whatever their order and case; 0 if memory is short. One use. */
uint32_t domains_use(struct domains *domains, const char *const *suffixes, size_t n_suffixes,
                     bool *ret_is_new);
/* Gives one use of the number back. */
void domains_drop(struct domains *domains, uint32_t number);

typedef void domains_fn(uint32_t number, void *userdata);
/* Calls fn with the number of each that name, in lower case, is or is below; perhaps twice. */
void domains_above(const struct domains *domains, const char *name, domains_fn *fn, void *userdata);
