/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <netext/manager.h>

struct run_outcome {
        const char *instance;
        const char *command;
        int status; /* the exit status of `run` */
};

/* What became of the command's flows: equal ones counted together for people, each with all
 * its keys as JSON. */
void run_summary_print(FILE *out, bool json, const struct run_outcome *outcome,
                       const struct nx_list *flows);
