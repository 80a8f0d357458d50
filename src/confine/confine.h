/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Closes the doors behind a process that reads what strangers made or keeps what nobody may see:
 * no programs, no sockets, no privileges, no core dump, bounded time and memory; and, where the
 * kernel has Landlock, no file but those named here.
 */

#include <stddef.h>
#include <stdint.h>

struct confinement {
        const int *calls; /* system calls beyond those that every process needs to go on */
        size_t n_calls;
        const int *readable; /* folders */
        int n_readable;
        int writable;          /* a folder, or -1 */
        uint64_t write_access; /* Landlock's, there; reading is allowed anyway */
        uint64_t cpu_s_max;    /* 0: any */
        uint64_t file_size_max;
        uint64_t memory_max;
};

/* 0 or a negative errno. There is no way out. */
int confine(const struct confinement *how);
