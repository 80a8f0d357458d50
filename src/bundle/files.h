/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * signature/files, the digest list: what is signed. "netext-files 1", then a line for each
 * file, sorted by the bytes of the paths: SHA-256, size, "x" for a program or "-", path.
 */

#include "bundle/bundle.h"
#include "bundle/tree.h"

#define FILES_LIST      "signature/files"
#define FILES_SIGNATURE "signature/files.p7s"
#define FILES_FOLDER    "signature"

#define FILES_LIST_MAX (4 * 1024 * 1024)

struct file_line {
        char digest[BUNDLE_DIGEST_SIZE];
        uint64_t size;
        bool is_executable;
        char *path; /* borrowed from the list's text */
};

struct file_list {
        char *text; /* owned, cut into lines */
        struct file_line *lines;
        size_t n_lines;
};

/* Reads the size bytes of text; what is wrong goes to the report, and the rest is kept. 0 or
 * -ENOMEM. Free ret in any case. */
int file_list_parse(struct file_list *ret, const char *text, size_t size,
                    struct bundle_report *report);
void file_list_deinit(struct file_list *list);

/* Is what the folder has what the list says? 0 or -ENOMEM. */
int file_list_compare(const struct file_list *list, int folder_fd, const struct tree *tree,
                      struct bundle_report *report);

/* The list for what the folder has. Caller owns; 0, or negative errno with the path that could
 * not be read in *ret_path (borrowed from the tree). */
int file_list_make(int folder_fd, const struct tree *tree, char **ret_text, size_t *ret_size,
                   const char **ret_path);

/* SHA-256 of some bytes, in hexadecimal digits. 0, or -EIO. */
int digest_bytes(const void *bytes, size_t size, char *ret_digest);
