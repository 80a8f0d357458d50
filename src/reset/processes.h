/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "reset/reset.h"

/*
 * Ends netextd, flowd and the extensions of the instances that are meant, as far as they are known:
 * by the lock, by state.json, and by the sockets in the runtime folder. From then on no netextd of
 * these instances can start until we are done. (What else is in an extension's cgroup goes with
 * that.)
 */
void processes_end(struct reset *reset);
