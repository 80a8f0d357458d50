/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Owning locals, in the words of base/cleanup.h. That header belongs to the daemons;
 * netextctl stands on the public API alone, as any other tool would.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <netext/manager.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define take_ptr(ptr)                                                                              \
        ({                                                                                         \
                __typeof__(ptr) *_owner = &(ptr);                                                  \
                __typeof__(ptr) _taken = *_owner;                                                  \
                *_owner = NULL;                                                                    \
                _taken;                                                                            \
        })

static inline int take_fd(int *fd)
{
        int taken = *fd;

        *fd = -1;
        return taken;
}

/* Closes fd unless it is negative; returns -1, so that `fd = close_fd(fd)` reads well. */
static inline int close_fd(int fd)
{
        if (fd >= 0)
                close(fd);
        return -1;
}

static inline void cleanup_fd(int *fd)
{
        close_fd(*fd);
}

static inline void cleanup_free(void *ptr)
{
        free(*(void **)ptr);
}

static inline void cleanup_file(FILE **file)
{
        if (*file)
                fclose(*file);
}

static inline void cleanup_dir(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}

static inline void cleanup_list(struct nx_list **list)
{
        nx_list_free(*list);
}

static inline void cleanup_manager(struct nx_manager **manager)
{
        nx_manager_close(*manager);
}

#define _cleanup_fd_      _cleanup_(cleanup_fd)
#define _cleanup_free_    _cleanup_(cleanup_free)
#define _cleanup_file_    _cleanup_(cleanup_file)
#define _cleanup_dir_     _cleanup_(cleanup_dir)
#define _cleanup_list_    _cleanup_(cleanup_list)
#define _cleanup_manager_ _cleanup_(cleanup_manager)
