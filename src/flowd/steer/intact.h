/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/*
 * What the table is, as one number: that of its rules in their order, its base chains, and itself.
 * Whoever deletes, adds or replaces one of them makes it another; what the rules count, or put into
 * sets, does not. 0 where there is no table. 0 or a negative errno.
 */
int intact_take(const char *table, uint64_t *ret_print);
