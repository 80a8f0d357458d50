/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where cgroup v2 is mounted. Caller owns. -ENOENT: nowhere that this process can see. */
int hierarchy_find_root(char **ret_path);
