/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The named endpoints of the extensions that are installed, and the processes behind them. */

#include "manager/instance.h"

/* Makes their folder. 0, or negative errno after a log line. */
int endpoints_open(struct instance *instance);
void endpoints_close(struct instance *instance);

/* The extension is about to run for the first time, or once more: it has names at once. */
void endpoints_begin(struct instance *instance, const struct manifest *manifest);
/* This is what runs now: what its manifest says is in force. */
void endpoints_declare(struct instance *instance, const struct manifest *manifest);
/* The store has said what is there: sockets of others, which an earlier netextd left, go. */
void endpoints_sweep(struct instance *instance);
