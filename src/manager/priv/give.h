/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An extension's own folder belongs to the uid that it has today, one that several share to their
 * gid. */

#include <sys/types.h>

/* The folder at path and all in it become uid's, unless the folder is already. Links are left
 * alone, and files that have another name somewhere. 0 or negative errno. */
int give_folder(const char *path, uid_t uid);
/* The folder and all in it become gid's; each file keeps its user, and the folder is root's. As to
 * links, as above. 0 or negative errno. */
int give_folder_to_group(int folder_fd, gid_t gid);
/* The folder is root's alone, so what is in it is out of reach. 0 or negative errno. */
int give_folder_back(int folder_fd);
