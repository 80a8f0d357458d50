/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* When a process began, which tells it from a later one with its pid; and what it does. */

#include <stdint.h>
#include <sys/types.h>

/* Clock ticks since boot: field 22 of /proc/PID/stat. 0 or -ESRCH. */
int started_read(pid_t pid, uint64_t *ret_ticks);
/* Field 3: 'R', 'S', 'T' and others of proc(5); 0 where there is no such process. */
char started_read_state(pid_t pid);
