/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who started a process, as far up as the kernel's record says, and who of them is responsible. */

struct hooks;
struct process;
struct steer_process;

/*
 * Fills parents, responsible and responsible_pid of process, whose record that is. What cannot be
 * known, or for which there is no memory, is left out: then the process itself is responsible.
 */
void parents_read(struct hooks *hooks, const char *launchers, const struct steer_process *record,
                  struct process *process);
