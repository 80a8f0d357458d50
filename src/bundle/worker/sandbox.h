/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Closes the doors behind the worker before it reads a byte of a stranger: no programs, no
 * sockets, no privileges, bounded time and memory; and, where the kernel has Landlock, no file
 * but below readable[0..n_readable) and writable (-1: none), both folders. 0 or a negative errno.
 */
int sandbox_enter(const int *readable, int n_readable, int writable);
