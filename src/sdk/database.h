/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which packages brought the files at these paths, by the two kinds of databases, "/var/lib/dpkg"
 * and "/var/lib/rpm". packages: those that are NULL are set where a package has the file, and
 * are the caller's then. The paths are looked up together, however many there are.
 */

#include <stddef.h>

void dpkg_find(const char *database, const char *const *paths, size_t n, char **packages);
void rpm_find(const char *database, const char *const *paths, size_t n, char **packages);
