/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where everything of an instance is. */

#include "manager/options.h"

struct paths {
        char *folder;           /* /run/netext/INSTANCE */
        char *control_socket;   /* netextctl comes here */
        char *extension_socket; /* extensions come back here */
        char *flowd_socket;     /* we come back to flowd here */
        char *endpoints;        /* apps come here: a folder of sockets */
        char *state;            /* what we remember */
        char *damaged_state;    /* the same, when it could not be read */
        char *sets;             /* sets of destinations, which are too large for that */
        char *cgroup;           /* programs in it are seen */
        char *extension_cgroup; /* parent of the extensions' cgroups */
        char *flowd_program;
        char *bundle_program;    /* reads bundles, with no privileges */
        char *keys_program;      /* keeps secrets and keys, with no privileges */
        char *state_directory;   /* installed extensions, and what is configured */
        char *extensions_folder; /* those that came with netext */
};

/* 0, or negative errno after a log line. */
int paths_init(struct paths *paths, const struct options *options);
void paths_deinit(struct paths *paths);
