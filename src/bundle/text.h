/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Texts and paths that strangers chose, and people will read: where they are asked to approve
 * something, nothing may hide, move or turn around what stands beside it.
 */

#include <stdbool.h>
#include <stddef.h>

/* Valid UTF-8, without control characters, line ends, and what changes how its neighbours are
 * shown (directions, joiners, invisible ones). */
bool text_is_printable(const char *text);

/* From 1 to max bytes, all of them of allowed. */
bool text_is_made_of(const char *text, const char *allowed, size_t max);

/* Why path names nothing in a bundle ("leads out of the bundle"), or NULL: it is relative, and
 * its parts are names. */
const char *path_problem(const char *path);

#define TEXT_DIGITS       "0123456789"
#define TEXT_LETTERS      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define TEXT_ALPHANUMERIC TEXT_LETTERS TEXT_DIGITS
