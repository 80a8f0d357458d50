/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files that the verbs read and write, whole. */

#include <stddef.h>
#include <sys/types.h>

/* Caller owns, with a NUL behind it; NULL with a complaint made. */
char *file_read(const char *path, size_t *ret_size);
/* Makes a file that is not there yet. 0 or CLI_FAILED, with a complaint made. */
int file_create(const char *path, mode_t mode, const void *bytes, size_t size);
/* Puts a file in the place of what was there, in one step and without following a link. 0 or
 * negative errno. */
int file_replace(int folder_fd, const char *name, const void *bytes, size_t size);
