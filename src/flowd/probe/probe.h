/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Tries each mechanism that netext stands on by using it, in a network namespace and a
 * cgroup of its own, and prints one JSON object a line for netextctl(1) doctor:
 * mechanism, title, state (active, fallback, missing), using, why, lost.
 *
 * Returns main()'s status: 0 if all that is essential is there, else 1.
 */
int probe_all(void);
