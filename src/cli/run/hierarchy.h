/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The folder of the cgroup v2 that this process is in. Caller owns. -ENOENT where no cgroup
 * v2 hierarchy is mounted that shows it. */
int hierarchy_find_own(char **ret_path);

/* Mounts the hierarchy, for this process and those it starts from now on. */
int hierarchy_mount(void);
