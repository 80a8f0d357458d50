/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Landlock's three system calls, for which libc has no functions: a ruleset is made, folders are
 * added to it, and from then on its thread, and whatever that starts, reaches nothing else.
 */

#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>

/* Every access that the first version knows. */
#define LANDLOCK_FIRST_VERSION ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

/* False, with errno: this kernel has no Landlock, or it is switched off. */
bool landlock_is_there(void);

/* What is not allowed below is refused, of these accesses. Caller owns the descriptor;
 * -EOPNOTSUPP: there is no Landlock. */
int landlock_create(uint64_t handled);
/* Allows access to folder_fd and all below it, or to a file. 0 or negative errno. */
int landlock_allow(int ruleset_fd, int folder_fd, uint64_t access);
/* From here on, after no_new_privs. 0 or negative errno. */
int landlock_restrict(int ruleset_fd);
