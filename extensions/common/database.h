/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the two kinds of databases do for package_find(), with its outcomes. */

#include "common/package.h"

/* database: "/var/lib/dpkg". */
int dpkg_find(struct texts *programs, const char *database, const char *name);
/* database: "/var/lib/rpm". */
int rpm_find(struct texts *programs, const char *database, const char *name);

/* The path of a file that a package brought, if that is a program. 0 or -ENOMEM. */
int package_add_file(struct texts *programs, const char *path);
