/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who started a process: what a person who is asked about it wants to know. */

#include <stdint.h>
#include <sys/types.h>

/* The path of the executable of its parent, as that is now. started_ns: CLOCK_BOOTTIME of the
 * process's own start, so that it is no other one of that number. Caller owns; NULL: the process,
 * or its parent, is gone. */
char *parent_program(pid_t pid, uint64_t started_ns);
