/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The network namespaces in which an instance of ours can be: our own, those that are mounted
 * somewhere (ip-netns(8)), and those that a process is in, or keeps open, which sees the same
 * runtime folder as we. Of a container with a /run of its own, the instances are its own as well.
 */

#include <stdbool.h>
#include <stdint.h>

/* fd: the namespace, borrowed during the call; inode: as in /proc/PID/ns/net. Not 0 ends the walk.
 */
typedef int network_fn(int fd, uint64_t inode, void *userdata);

/* Calls fn once for each, our own first. What fn said last, or a negative errno. */
int network_for_each(network_fn *fn, void *userdata);
/* Our own one's number, which no other will have until the machine starts again; 0: the kernel has
 * none. */
uint64_t network_cookie(void);
/* Is there one with that inode and, if it is not 0, that cookie? An inode's number is soon
 * another's. Where that cannot be found out, there is. */
bool network_exists(uint64_t inode, uint64_t cookie);
