/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An extension's own folder belongs to the uid that it has today. */

#include <sys/types.h>

/* The folder at path and all in it become uid's, unless the folder is already. Links are left
 * alone, and files that have another name somewhere. 0 or negative errno. */
int give_folder(const char *path, uid_t uid);
