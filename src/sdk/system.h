/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The machine's settings, from the files that they are kept in. */

#include <limits.h>

#include <netext/system.h>

#define SYSTEM_ALL_SETTINGS ((1U << (NX_SYSTEM_PROXIES + 1)) - 1)

/* A string for each of a setting, NULL where there is none: see the table in system.c. */
struct nx_system {
        char *values[9];
};

void system_deinit(struct nx_system *system);

/* Reads all of it; root: what the files' paths begin with, "" on the machine. 0, or -EMFILE and its
 * like: what could not be read now is as before. *ret_changed: 1U << enum nx_system_setting, also
 * then. */
int system_read(struct nx_system *system, const char *root, uint32_t *ret_changed);

/* The file that names the DNS servers, whether it is there or not. */
void system_resolver_path(const char *root, char ret_path[static PATH_MAX]);
