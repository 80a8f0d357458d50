/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* What a session's files are called. */
#define RULES_FILE    "rules"
#define PACKAGES_FILE "packages"

/*
 * All that fd has to say, up to max bytes, which the caller frees. One byte more if it has
 * more, so that a parser sees that it is too much. 0 or a negative errno.
 */
int file_read(int fd, size_t max, char **ret_text, size_t *ret_size);
