/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The runtime folder: who holds its lock is the instance. */

#include <sys/types.h>

/*
 * Makes folder and its parent (root, 0711) and locks it. The lock goes with the process.
 * -EBUSY: another netextd has it; *ret_holder is its pid, or 0 where that is not known.
 */
int folder_claim(const char *folder, int *ret_lock_fd, pid_t *ret_holder);
/* Removes the files that an instance leaves in it, the lock last, the folder itself, and with
 * the last instance its parent. */
void folder_remove(const char *folder);

/* A listening socket of that type at path, in place of whatever was there, close-on-exec and
 * non-blocking. Returns the descriptor, or negative errno. */
int folder_listen(const char *path, int type, mode_t mode);
/* Connects to one. Returns the descriptor, or negative errno. */
int folder_connect(const char *path, int type);
