/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Owning locals release what they own when they go out of scope, and say so
 * where they are declared. take_ptr() and take_fd() mark where ownership leaves.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn)        __attribute__((cleanup(fn)))
#define _printf_(fmt, first) __attribute__((format(printf, fmt, first)))
#define _unused_             __attribute__((unused))

#define ARRAY_SIZE(array)               (sizeof(array) / sizeof((array)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - __builtin_offsetof(type, member)))

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

#define _cleanup_fd_   _cleanup_(cleanup_fd)
#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_file_ _cleanup_(cleanup_file)
#define _cleanup_dir_  _cleanup_(cleanup_dir)

/* Defines cleanup_<name>(), for `_cleanup_(cleanup_<name>) type *x = NULL`. */
#define DEFINE_CLEANUP(type, name, fn)                                                             \
        static inline void cleanup_##name(type *ptr)                                               \
        {                                                                                          \
                if (*ptr)                                                                          \
                        fn(*ptr);                                                                  \
        }
