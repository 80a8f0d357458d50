/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Closes the doors behind flowd: from now on no file can be opened, no program started,
 * no other socket made than for netlink. 0 or a negative errno.
 */
int sandbox_enter(void);
