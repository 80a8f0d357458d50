/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For the files of hooks.h, and no others. */

struct hooks;
struct steer_bpf;

/* The programs and maps in the kernel; borrowed. */
struct steer_bpf *hooks_skeleton(struct hooks *hooks);
/* The instance's. */
int hooks_cgroup_fd(const struct hooks *hooks);
