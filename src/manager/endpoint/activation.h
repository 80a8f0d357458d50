/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The command that an endpoint's manifest names for the case that events wait and no app is there.
 */

#include "manager/endpoint/declaration.h"
#include "manager/loop/aside.h"
#include "manager/loop/restarts.h"
#include "manager/priv/process.h"

struct activation {
        sd_event *event;
        struct process process;                         /* its last run, while that lasts */
        struct aside *looking;                          /* for the person that it runs as */
        const struct endpoint_declaration *declaration; /* borrowed: of the last run */
        bool is_wanted; /* once more, when the run that lasts is over */
        struct restarts runs;
        uint64_t n_runs;
        char *endpoint; /* for messages */
};

void activation_init(struct activation *activation, sd_event *event);
/* The declaration changes: what was about to be run is not. */
void activation_forget(struct activation *activation);
/* An app is there: what runs need not run again. */
void activation_met(struct activation *activation);
/* What runs goes on. */
void activation_deinit(struct activation *activation);
/* Runs the command, if there is one and it did not run too often lately; where it is running, when
 * that is over. */
void activation_run(struct activation *activation, const struct endpoint_declaration *declaration,
                    const char *endpoint);
