/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For engine.c: a process of netext-flowd. */

#include "manager/engine/engine.h"

/*
 * Starts one that talks on link_fd, which stays the caller's; engine->process is watched then.
 * 0, or negative errno with what could not be done in *ret_step ("be executed").
 */
int engine_launch(struct engine *engine, int link_fd, process_ended_fn *ended_fn,
                  const char **ret_step);
