/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is in a folder, before anything of it is read: every path with its size, in the order
 * of its bytes. Only files with one name and folders are let in; nothing is followed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bundle/report.h"

struct tree_entry {
        char *path;
        uint64_t size;
        bool is_folder;
        bool is_executable;
};

struct tree {
        struct tree_entry *entries;
        size_t n_entries;
        size_t n_files;
        uint64_t size; /* of all files */
};

/*
 * Reads the folder; what does not belong there goes to the report. 0, also where something was
 * wrong; -E2BIG, with the report saying so: there is too much, and the tree is not whole;
 * -ENOMEM. Free ret in any case.
 */
int tree_read(int folder_fd, struct tree *ret, struct bundle_report *report);
void tree_deinit(struct tree *tree);

/* NULL where there is none. */
const struct tree_entry *tree_find(const struct tree *tree, const char *path);

/* Opens a file of the folder to read, without following a link anywhere. -EINVAL for what is no
 * file. */
int tree_open(int folder_fd, const char *path);
/* All of a file, with a NUL behind it. -EFBIG if it has more than max bytes. Caller owns. */
int tree_read_file(int folder_fd, const char *path, size_t max, char **ret_text, size_t *ret_size);
