/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files that an administrator named in a session's configuration. */

#define FILE_SIZE_MAX (16 * 1024 * 1024)

/* A read-only descriptor of the regular file at path. -EISDIR and -EINVAL: it is something
 * else; -EFBIG: larger than FILE_SIZE_MAX. */
int file_open(const char *path);
/* The same file once more, with an offset of its own, also if it was removed meanwhile. */
int file_reopen(int fd);
/* Why file_open() failed, for people. */
const char *file_error_to_string(int error);
