/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The questions that wait for somebody at the terminal; the first of them is shown. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netext/manager.h>

struct waiting {
        uint64_t number;
        char *text; /* as it is shown, made safe for a terminal */
};

struct waitings {
        struct waiting *items;
        size_t n_items;
        bool is_shown; /* the first is */
};

void waitings_deinit(struct waitings *waitings);
/* event: "asked". */
void waitings_add(struct waitings *waitings, const struct nx_properties *event);
/* True if it was the first. */
bool waitings_remove(struct waitings *waitings, uint64_t number);
/* The first one, unless it is on the screen already. */
void waitings_show(struct waitings *waitings);
/* It lets others go first. */
void waitings_skip(struct waitings *waitings);
