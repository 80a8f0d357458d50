/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#define PACKAGE_DATABASES "/var/lib"

/*
 * The packages that brought the files at paths, as dpkg(1) or rpm(8) wrote it down in a folder like
 * PACKAGE_DATABASES: "curl", or dpkg's "libc6:amd64" where several may be installed together.
 * NULL: none, or nobody can say, or the path is NULL. Any thread; those that were not asked for
 * before take as long together as reading all of dpkg's lists, or as running rpm(8).
 * ret_packages: of n, each the caller's.
 */
void packages_of(const char *databases, const char *const *paths, size_t n, char **ret_packages);
/* The same for one. */
char *package_of(const char *databases, const char *path);
