/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The folder in which flowd pins its BPF objects, so that they outlive it. */

#include <sys/types.h>

/*
 * Finds or makes it: in the machine's bpffs where that is mounted, else in a bpffs of our own
 * below the runtime folder. Caller owns *ret_path.
 */
int pins_open(const char *instance, const char *runtime_folder, char **ret_path);
/* Gives the folder and what is pinned in it to the uid that flowd has. */
int pins_give(const char *path, uid_t uid);
/* Takes away what is pinned (normally nothing: flowd did), the folder, and our own mount. */
void pins_remove(const char *path, const char *runtime_folder);
