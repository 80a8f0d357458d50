/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What others take away of ours in the kernel is put back, counted, and told. */

#include <stdint.h>

#include "steer/changes.h"

struct engine;

struct upkeep {
        struct changes changes;
        uint64_t print;    /* the table of flows as we left it; see steer/intact.h */
        uint64_t n_tables; /* how often it, or that of packets, was put back */
        uint64_t n_routes; /* how many rules and routes were */
        uint64_t n_hooks;  /* how many BPF programs were */
        uint64_t hooks_checked_ns;
        char last[160]; /* what, when and who; "" before the first time */
};

#define UPKEEP_NULL                                                                                \
        {                                                                                          \
                .changes = CHANGES_NULL                                                            \
        }

int upkeep_open(struct upkeep *upkeep, struct engine *engine);
void upkeep_close(struct upkeep *upkeep);
/* A flow has no record, as if there were no hooks: are they there? Asked once a second at most. */
void upkeep_owner_missing(struct engine *engine);
/* The table of flows is as it has to be: this is what is compared with. */
void upkeep_note(struct upkeep *upkeep);
