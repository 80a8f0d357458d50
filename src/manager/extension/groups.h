/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The folders that extensions of a team share, one for each group of a manifest. */

#include "manager/extension/run.h"

struct groups {
        char *folders[EXTENSION_GROUPS_MAX]; /* owned */
        gid_t gids[EXTENSION_GROUPS_MAX];    /* each its folder's */
        size_t n;
};

/* For a process that is about to be made, under user_lock(): its folders, and the gids by which it
 * reaches them. 0 or negative errno. */
int groups_take(const struct run *run, struct groups *ret);
/* The process is gone: folders whose last it was are nobody's but root's. */
void groups_leave(const struct run *run);
void groups_release(struct groups *groups);

#define _cleanup_groups_ _cleanup_(groups_release)
