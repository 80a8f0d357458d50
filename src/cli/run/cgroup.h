/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The control groups of one `netextctl run`, below the one that netextctl is in:
 *
 *   netext-run-PID        extensions get cgroups of their own here, made by netextd
 *   netext-run-PID/apps   the command; the instance's flows are those of its processes
 */

#include <sys/types.h>

struct run_cgroup {
        char *parent;
        char *path;
        char *apps;
        unsigned int level; /* how many runs this one is inside of */
};

/*
 * Makes both. Where no cgroup v2 hierarchy is mounted (`ip netns exec` hides it), this
 * process enters a mount namespace of its own and mounts it there.
 * 0, or a negative errno after a complaint.
 */
int run_cgroup_open(struct run_cgroup *cgroup);

/* Moves the calling process into apps. */
int run_cgroup_enter(const struct run_cgroup *cgroup);

/* Ends what is left of extensions, moves what is left of the command to where netextctl is
 * and says so, and removes both. NULLs and half-open ones are fine. */
void run_cgroup_close(struct run_cgroup *cgroup);
