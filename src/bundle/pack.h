/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A folder as one file, a .nxt archive: pax tar in zstd. The same folder makes the same archive,
 * byte for byte: owners and times are left out.
 */

#include "bundle/tree.h"

/* 0, or negative errno with what could not be read in *ret_path (borrowed from the tree; NULL:
 * it is the archive that could not be written). */
int archive_pack(int folder_fd, const struct tree *tree, int archive_fd, const char **ret_path);
