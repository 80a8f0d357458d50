/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A folder of listening sockets under names that may be longer than an address has room for. */

#include <stdbool.h>

/* Makes it (root, 0755). 0 or negative errno. */
int socket_folder_make(const char *folder);
/*
 * A socket of SOCK_SEQPACKET that everybody may connect to, close-on-exec and non-blocking, under
 * name. It takes the place of what was there at once: nobody finds no socket meanwhile. Returns
 * the descriptor, or negative errno.
 */
int socket_folder_listen(const char *folder, const char *name);
void socket_folder_remove(const char *folder, const char *name);
/* Removes all but those that keep() says yes to; NULL: none. */
void socket_folder_sweep(const char *folder, bool (*keep)(const char *name, void *userdata),
                         void *userdata);
/* Removes them all, and the folder. */
void socket_folder_remove_all(const char *folder);
