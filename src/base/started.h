/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* When a process began, which tells it from a later one with its pid. */

#include <stdint.h>
#include <sys/types.h>

/* Clock ticks since boot: field 22 of /proc/PID/stat. 0 or -ESRCH. */
int started_read(pid_t pid, uint64_t *ret_ticks);
