/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All attempts in progress: by age, for their deadlines, and by the flow's number. */

#include "relay/attempt.h"

#define ATTEMPTS_BUCKETS 4096

struct attempts {
        struct attempt *oldest, *newest;
        size_t n;
        struct attempt *buckets[ATTEMPTS_BUCKETS];
};

void attempts_add(struct attempts *attempts, struct attempt *attempt);
void attempts_remove(struct attempts *attempts, struct attempt *attempt);
/* NULL if there is none for the flow of this number. */
struct attempt *attempts_find(const struct attempts *attempts, uint64_t flow);
