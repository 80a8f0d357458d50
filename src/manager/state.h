/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the next netextd of this instance has to know if this one is killed: state.json in
 * the runtime folder, and sets.json, which can be large and changes seldom.
 */

#include <jansson.h>

#include "manager/instance.h"

enum {
        STATE_E_NONE = 1, /* there was no earlier netextd */
        STATE_E_DAMAGED,  /* there was one, and what it ran is not known */
};

/* Replaces the file; a failure is logged, and costs adoption only. */
void state_save(const struct instance *instance);

void state_save_sets(const struct instance *instance);

/*
 * Reads the file and checks that it is about an instance like ours. 0, STATE_E_NONE,
 * STATE_E_DAMAGED, or negative errno after a log line. Caller owns *ret_state.
 */
int state_load(const struct instance *instance, json_t **ret_state);
/* Gives a damaged one another name, and says so. 0 or negative errno after a log line. */
int state_put_aside(const struct instance *instance);
/* Makes the sessions of state in the table; the processes that still run are watched. */
void state_restore_sessions(struct instance *instance, const json_t *state);
/* 0; STATE_E_NONE or STATE_E_DAMAGED, which is logged: there are none in the table. */
int state_restore_sets(struct instance *instance);
/* Takes flowd over, or starts one. */
int state_restore_engine(struct instance *instance, const json_t *state);
