/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Flows that nobody saw begin: they are older than the hooks. They go on, and are listed.
 */

struct intake;

/* Those that are as old as the instance's hooks: of a daemon that has just begun. */
void older_find(struct intake *intake);
