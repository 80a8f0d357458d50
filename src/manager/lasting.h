/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What netextd is configured to do, over its own end (--keep-configuration): sessions.json and
 * sets.json in the state directory. What runs is not in them: that is for state.h.
 */

#include "manager/instance.h"

/* After a change. Failures are logged. */
void lasting_save_sessions(struct instance *instance);
void lasting_save_sets(struct instance *instance);

/* Makes what was kept anew, without starting anything; what cannot be read is put aside, and
 * logged. */
void lasting_restore_sessions(struct instance *instance);
void lasting_restore_sets(struct instance *instance);
/* Starts the sessions that were restored, in their order. */
void lasting_start(struct instance *instance);
