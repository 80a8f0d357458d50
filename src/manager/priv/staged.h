/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Folders below the state directory, in which bundles are staged and kept. Whoever was in them
 * before, nothing is followed out of them: each step goes by descriptor.
 */

#include <stdbool.h>
#include <sys/types.h>

/* Makes the folder at path (root, 0711), with its parent, and locks it. Returns a descriptor that
 * holds the lock; -EWOULDBLOCK: another netextd has it; or negative errno. */
int staged_open_store(const char *path);

/* Opens a folder below the store, "a/b/c", as it is. Negative errno. */
int staged_open(int store_fd, const char *path);
/* Makes path and the folders that lead to it (root, 0711); one that is there is fine. path itself
 * belongs to owner, with mode. Returns a descriptor of it, or negative errno. */
int staged_make(int store_fd, const char *path, uid_t owner, mode_t mode);

/*
 * Takes a folder away from the user who filled it, and who has no process any more: everything in
 * it belongs to root from here on, folders and programs 0755, other files 0644. 0; -EBADMSG: there
 * is something else in it than folders and files with one link; or negative errno.
 */
int staged_take(int folder_fd);

/* Moves it to where there must be nothing yet, for good with the next file of the store that is
 * replaced. 0, or negative errno. */
int staged_move(int store_fd, const char *from, const char *to);
/* Removes path and all in it. 0, also where nothing is there; or negative errno. */
int staged_remove(int store_fd, const char *path);

/* Calls fn for each name in the folder path; there may be none. Stops where fn returns other than
 * 0, which is returned. */
int staged_for_each(int store_fd, const char *path, int (*fn)(const char *name, void *userdata),
                    void *userdata);

/* fd: read-only, borrowed. Negative errno ends the search. */
typedef int staged_program_fn(int fd, void *userdata);
/* Calls fn for each file in the folder path, and below it, that can be executed. 0, or what fn or
 * the first folder that cannot be read said. */
int staged_for_each_program(int store_fd, const char *path, staged_program_fn *fn, void *userdata);

/* Replaces the file name of the store by text, as one, for good when this returns. */
int staged_replace_file(int store_fd, const char *name, const char *text, size_t size);
/* Opens it to be appended to, made where it is not there (root, 0600). Negative errno. */
int staged_append_file(int store_fd, const char *name);
/* For reading; -ENOENT. */
int staged_read_file(int store_fd, const char *name);
/* Gives what lies under name, whatever that is, another one: "NAME.damaged-20261125T220100". Caller
 * owns *ret_name. 0 or negative errno. */
int staged_put_aside(int store_fd, const char *name, char **ret_name);
bool staged_was_put_aside(const char *name);
