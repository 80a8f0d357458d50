/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#define PACKAGE_DATABASE "/var/lib/dpkg"

/*
 * The package that brought the file at path, as dpkg(1) wrote it down in a folder like
 * PACKAGE_DATABASE: "curl", or "libc6:amd64" where several may be installed together. NULL: none,
 * or nobody can say. Any thread; the first time for each path it takes as long as reading all of
 * dpkg's lists. Caller owns.
 */
char *package_of(const char *database, const char *path);
