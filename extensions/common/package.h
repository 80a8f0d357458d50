/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which programs are of a package? As dpkg(1) or rpm(8) wrote it down, read as an ordinary user.
 *
 * Outcomes besides 0 and a negative errno:
 *   PACKAGE_E_NO_DATABASE    there is none that we understand
 *   PACKAGE_E_UNREADABLE     there is rpm's, and rpm(8) cannot read it, or is not there
 *   PACKAGE_E_NOT_INSTALLED  no database knows such a package
 */

#include <stdbool.h>

#include "common/texts.h"

#define PACKAGE_DATABASES "/var/lib"

enum {
        PACKAGE_E_NO_DATABASE = 1,
        PACKAGE_E_UNREADABLE,
        PACKAGE_E_NOT_INSTALLED,
};

/* "curl", "libc6:amd64", or "glibc.i686". */
bool package_is_name(const char *name);
/*
 * databases: a folder like PACKAGE_DATABASES, with dpkg, rpm or both in it. The programs' paths are
 * as the kernel has them; ret_programs is empty unless 0 is returned.
 */
int package_find(struct texts *ret_programs, const char *databases, const char *name);
