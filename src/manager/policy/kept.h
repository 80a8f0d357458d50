/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What each policy file said when it was last understood, below the state directory: a file that
 * is broken when netextd starts leaves that in force, as one does that breaks while it runs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0, also where that is there already; -ENOENT: there is no state directory; or negative errno. */
int kept_write(const char *state_directory, const char *name, const char *text);
/* Caller owns *ret_text, which ends with a NUL at *ret_size. *ret_since_ns: CLOCK_REALTIME of its
 * writing. -ENOENT: nothing is kept. */
int kept_read(const char *state_directory, const char *name, char **ret_text, size_t *ret_size,
              uint64_t *ret_since_ns);
/* Calls fn for each name. */
void kept_for_each(const char *state_directory, int (*fn)(const char *name, void *userdata),
                   void *userdata);
void kept_forget(const char *state_directory, const char *name);
