/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which programs are of a package? As dpkg(1) wrote it down, read as an ordinary user.
 *
 * Outcomes besides 0 and a negative errno:
 *   PACKAGE_E_NO_DATABASE    there is none that we understand
 *   PACKAGE_E_NOT_INSTALLED  it knows no such package
 */

#include <stdbool.h>
#include <stddef.h>

#define PACKAGE_DATABASE "/var/lib/dpkg"

enum {
        PACKAGE_E_NO_DATABASE = 1,
        PACKAGE_E_NOT_INSTALLED,
};

struct package {
        char **programs; /* owned, and so is each; paths as the kernel has them */
        size_t n_programs;
};

void package_deinit(struct package *package);

/* "curl", or "curl:amd64". */
bool package_is_name(const char *name);
/* database: a folder like PACKAGE_DATABASE. ret is empty unless 0 is returned. */
int package_find(struct package *ret, const char *database, const char *name);
