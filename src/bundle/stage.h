/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A copy of a bundle, from a folder or an archive, in an empty folder: programs get the mode
 * 0755, other files 0644. What does not belong in a bundle is not copied, and said.
 */

#include <stdint.h>

#include "bundle/report.h"

/* Of what is unpacked to what is read, once that is more than a little. */
#define STAGE_RATIO_MAX  200
#define STAGE_RATIO_FROM (16 * 1024 * 1024)

/*
 * source_fd: a folder or an archive. 0: the report says whether all of it is there; a negative
 * errno where that cannot even be said.
 */
int bundle_stage(int source_fd, int target_fd, struct bundle_report *report);

/* --- of its parts --- */

/* The same for an archive alone, without finishing the report. */
int archive_unpack(int archive_fd, int target_fd, struct bundle_report *report);

/* Creates what leads to path, and the file itself, to write. A descriptor; -EEXIST where the path
 * was there; -ENOTDIR where a file stands in the way; other negative errno. */
int stage_create(int target_fd, const char *path, bool is_executable);
/* The folder, and what leads to it, unless it is there. 0 or negative errno. */
int stage_create_folder(int target_fd, const char *path);
/* All of it. 0 or negative errno. */
int stage_write(int fd, const void *bytes, size_t size);
