/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What an extension cannot do, besides what it has no privileges for: system calls that none
 * needs (seccomp), and, where it has a folder of its own, files beyond that and the base
 * system (Landlock, where the kernel has it).
 */

#include <stdbool.h>
#include <stddef.h>

struct sandbox {
        bool may_make_internet_sockets;
        const char
                *bundle_folder; /* it may read that and the base system; NULL: what its user may */
        const char *state_folder;    /* it may write there; NULL: nowhere */
        char *const *shared_folders; /* and there */
        size_t n_shared_folders;
};

/* Makes what sandbox_enter() needs, before there is a child. 0 or negative errno. */
int sandbox_prepare(void);
/* In the child, with privileges still. *ret_fd: owned; -1: no Landlock. 0 or negative errno. */
int sandbox_open_files(const struct sandbox *sandbox, int *ret_fd);
/* In the child, after no_new_privs: from here on it holds. files_fd as above; closed. */
int sandbox_enter(const struct sandbox *sandbox, int files_fd);
