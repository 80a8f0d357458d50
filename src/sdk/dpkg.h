/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <dirent.h>
#include <stddef.h>

/*
 * Which packages brought the files at these paths, by what dpkg(1) wrote down in the folder
 * `database`, whose info/ lists is. packages: all NULL; those of files that a package has are set,
 * and the caller's. All lists are read once, however many paths there are.
 */
void dpkg_find(const char *database, DIR *lists, const char *const *paths, size_t n,
               char **packages);
