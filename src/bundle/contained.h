/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A bundle brings what it needs: every library that its program and its own libraries name is
 * in it, where the loader looks for it, or is of the base system.
 */

#include "bundle/manifest.h"
#include "bundle/tree.h"

/* 0 or -ENOMEM. */
int contained_check(int folder_fd, const struct tree *tree, const struct manifest *manifest,
                    struct bundle_report *report);

/* Of the C and C++ runtime, and libnetext: what every machine with netext has. */
bool contained_is_base(const char *library);
