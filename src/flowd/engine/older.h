/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Flows that nobody saw begin: they are older than the hooks, or than this flowd, or than the first
 * session that looks at what comes in. They go on, are listed, and can be judged (rejudge.h).
 */

struct intake;

/* Those that are as old as the instance's hooks: of a daemon that has just begun. */
void older_find(struct intake *intake);
/* Those that are not known (any more). Connections that came in are none of ours unless a session
 * speaks of such. */
void older_find_unknown(struct intake *intake);
