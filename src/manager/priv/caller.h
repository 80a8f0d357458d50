/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who is at the other end of a connected UNIX socket: the process that called connect(2), from
 * the kernel and not from anything that it says. Or who has a name on the system bus, from the bus.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A file whatever it is called: where it is not known, both are 0. */
struct file_identity {
        uint64_t device, inode;
};

struct caller {
        uid_t uid;
        gid_t gid;
        gid_t *groups; /* the others that it is in; owned */
        size_t n_groups;
        char *bus_name; /* of one on the system bus, of which the next are not known; owned */
        pid_t pid;      /* 0: we do not see it */
        /* Of that process and of no other; empty where it has ended. */
        uint64_t started_ticks; /* field 22 of /proc/PID/stat */
        char *program;          /* path of its executable, never NULL */
        struct file_identity executable;
        char *cgroup; /* path below the cgroup v2 root, never NULL */
        uid_t login;  /* who logged in, as audit(7) keeps it; CALLER_NOBODY: nobody, or not known */
};

#define CALLER_NOBODY ((uid_t)-1)

/* 0 or negative errno. The process can be gone: see above. */
int caller_identify(int socket_fd, struct caller *ret);
/* 0 or -ENOMEM. */
int caller_on_bus(uid_t uid, const char *bus_name, struct caller *ret);
void caller_deinit(struct caller *caller);

bool caller_is_in_group(const struct caller *caller, gid_t gid);
/* Does it execute the file that is at path now? */
bool caller_executes(const struct caller *caller, const char *path);
