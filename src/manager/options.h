/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What netextd is told on its command line. */

#include <stdbool.h>
#include <stdint.h>

struct options {
        const char *instance;
        const char *cgroup;           /* NULL: the root of the hierarchy */
        const char *extension_cgroup; /* NULL: CGROUP2/netext/INSTANCE */
        const char *state_directory;  /* NULL: /var/lib/netext/INSTANCE */
        const char *policy_directory;
        const char *trust_directory;
        const char *launchers; /* NULL: flowd's own list */
        uint32_t mark_mask;
        int owner_fd;            /* -1: none */
        bool keep_configuration; /* over our own end */
        bool debug;
};

enum {
        OPTIONS_E_DONE = 1, /* help or version was printed */
};

/* Strings point into argv. 0, OPTIONS_E_DONE, or -EINVAL after a message on stderr. */
int options_parse(struct options *ret, int argc, char *argv[]);
