/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which of the things that an extension provides a session is. */

#include <stdint.h>

/*
 * provided: bit 1 << enum nx_provider_kind for each; bits that we do not know do not count.
 * wanted: an enum nx_provider_kind, or 0 for the only one. 0, or -EINVAL with the sentence for
 * people in *ret_problem (caller owns).
 */
int kind_choose(int wanted, uint64_t provided, int *ret_kind, char **ret_problem);
