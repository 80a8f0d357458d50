/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the store wants to run, as extensions of the instance, and what becomes of them. */

#include "manager/instance.h"

/* Before the store is opened. */
void installed_init(struct instance *instance);

extern const struct store_runner installed_runner;

/* As struct session_listener has it; userdata is the instance. */
int installed_make_extension(const struct configuration *configuration, const char *name,
                             struct extension **ret, char **ret_problem, void *userdata);
