/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* So that a test can see what becomes of us on a kernel that has less than this one. */
static inline bool is_told_away(const char *mechanism)
{
        const char *without = getenv("NETEXT_WITHOUT");

        return without && strcmp(without, mechanism) == 0;
}

/* How many a table holds that holds n elsewhere: few where a test is to fill it. */
static inline uint32_t room_for(uint32_t n)
{
        return is_told_away("room") ? 16 : n;
}
