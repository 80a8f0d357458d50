/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Program names, command lines and cgroup paths are whatever a program chose to make
 * them: bytes that could move the cursor, colour the screen or reverse a line. None
 * reaches an output but through here.
 */

#include <stdbool.h>
#include <stdio.h>

/* For people: control characters, and what changes how its neighbours are shown, as \n, \x1b
 * and \u202e; bytes that are not UTF-8 as \xff; a backslash doubled. Returns the number of
 * characters written. */
size_t escape_text(FILE *out, const char *text);

/* No byte of it is anything else. */
bool escape_is_utf8(const char *text);

/* For machines: a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void escape_json(FILE *out, const char *text);
