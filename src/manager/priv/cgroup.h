/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The cgroup v2 hierarchy and the cgroups of extensions in it. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* 0; -ENOENT; -ENOTDIR: path is not in a cgroup v2 hierarchy. */
int cgroup_check(const char *path);

/* Makes the folder at path (absolute), and its parent where that is CGROUP2/netext. Returns a
 * descriptor of it. *ret_made: it was not there before. */
int cgroup_make_folder(const char *path, bool *ret_made);
/* Removes it, and CGROUP2/netext with the last instance. */
void cgroup_remove_folder(const char *path);

/* Opens the cgroup `name` in the folder, after making it where there is none. Caller owns the
 * descriptor; *ret_id is the kernel's number of the cgroup. */
int cgroup_open(int folder_fd, const char *name, int *ret_fd, uint64_t *ret_id);
/* What all its processes together may have; 0: no limit. Without the hierarchy's controllers,
 * which doctor tells, they are not limited: -EOPNOTSUPP. */
int cgroup_limit(int cgroup_fd, uint64_t memory_max, uint64_t pids_max);
/* Kills every process in the cgroup. */
int cgroup_kill(int cgroup_fd);
/* The same for those of the session that sid leads, or led. */
void cgroup_kill_session(int cgroup_fd, pid_t sid);
/* 0, also if there is none; -EBUSY while killed processes are still leaving. */
int cgroup_remove(int folder_fd, const char *name);
