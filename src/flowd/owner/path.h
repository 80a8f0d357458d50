/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From the reversed paths of the kernel's records to those that people know. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * "curl\0bin\0usr\0" to "/usr/bin/curl". path: size + sizeof("…/") bytes. A path that was cut
 * begins with "…" in the place of what is missing.
 */
void path_turn(const char *reversed, size_t size, bool is_cut, char *path);
/* The same, of a record's at most max bytes with its flags; empty where it has none. Caller owns;
 * NULL: no memory. */
char *path_from_record(const char *reversed, size_t size, size_t max, uint32_t flags);
