/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How often something was restarted lately: what back-off and budgets are counted in. */

#include <stdint.h>

#define RESTARTS_WINDOW_MS 10000
#define RESTARTS_KEPT      8
#define RESTARTS_DELAY_MAX 5000

struct restarts {
        uint64_t total;
        uint64_t at_ms[RESTARTS_KEPT]; /* a ring of the last ones */
};

/* In the last RESTARTS_WINDOW_MS, at most RESTARTS_KEPT. */
unsigned int restarts_recent(const struct restarts *restarts, uint64_t now_ms);
void restarts_add(struct restarts *restarts, uint64_t now_ms);
/* 0 for the first `free` recent ones, then 100, 200, 400 … ms. */
uint64_t restarts_delay_ms(unsigned int recent, unsigned int free);
