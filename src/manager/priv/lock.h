/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The locks that say that there is one netextd. */

/*
 * Locks what fd is open on, for as long as it is. Waits half a second at most, for what a killed
 * one left. -EWOULDBLOCK: another one has it.
 */
int lock_take(int fd);
