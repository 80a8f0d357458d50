/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The folder of the cgroup that we are in, and our sockets with us. any_cgroup: a path in the same
 * hierarchy. The descriptor, the caller's, or a negative errno. */
int own_cgroup_open(const char *any_cgroup);
