/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Flows whose verdict depends on what is in their program's executable, until that is known. */

#include <stdbool.h>
#include <stdint.h>

struct chain;
struct flow;

/* Finds it out and sends the flow on its way, at once or when it is known. */
void identify_flow(struct chain *chain, struct flow *flow);
/* What request was to find out is known, or cannot be. */
void identify_settled(struct chain *chain, uint64_t request, bool is_known);
/* Nobody waits any more. */
void identify_let_go(struct chain *chain);
/* Timer of chain->unidentified. */
int identify_timeout(void *userdata);
