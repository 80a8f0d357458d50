/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Starting a program as somebody else, in two steps: after spawn_prepare() the process
 * exists and has given everything up, but waits. The caller writes down that it exists,
 * then spawn_release() lets it become the program. So no program ever runs that a later
 * netextd would not know of, whenever this one is killed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Those of a person. */
struct spawn_groups {
        gid_t gid;
        const gid_t *others;
        size_t n_others;
};
struct sandbox;

struct spawn {
        const char *program;     /* absolute path */
        const char *const *argv; /* NULL at the end */
        const char *const *environ;
        uid_t uid; /* and the gid of the same number, without other groups … */
        const struct spawn_groups *groups; /* … unless they are here */
        bool shares_files;                 /* what it makes is for its groups as well */
        uint64_t capabilities;             /* bits of what it keeps; 0 for none */
        int cgroup_fd;                     /* folder of the cgroup to enter, or -1 */
        int stderr_fd;                     /* and stdout; 0: as ours */
        const struct sandbox *sandbox;     /* NULL: none; the program has its own */
        bool dies_with_us;                 /* it is killed when netextd is */
        const int *fds;                    /* become 3, 4, …; nothing else is inherited */
        size_t n_fds;
};

struct spawned {
        pid_t pid;
        int gate_fd; /* owned; closing it without release ends the process */
};

#define SPAWNED_NULL                                                                               \
        {                                                                                          \
                .gate_fd = -1                                                                      \
        }
#define SPAWN_FDS_MAX 4

/* 0, or negative errno with what could not be done in *ret_step ("enter its cgroup"); -ETIMEDOUT:
 * somebody stopped it, and it was ended. */
int spawn_prepare(const struct spawn *spawn, struct spawned *ret, const char **ret_step);
/* 0 when the program runs; else the negative errno of execve(2), or -ETIMEDOUT as above, and the
 * process is gone. */
int spawn_release(struct spawned *spawned);
/* Ends a process that was not released. Fine on SPAWNED_NULL and twice. */
void spawn_cancel(struct spawned *spawned);
