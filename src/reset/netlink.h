/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One question to the kernel, and its whole answer. */

#include <libmnl/libmnl.h>
#include <stddef.h>

#define NETLINK_MESSAGE_MAX 32768

/* messages: one, or a batch of which one wants an acknowledgement. fn: for each message of the
 * answer. 0, or the kernel's error. */
int netlink_ask(int bus, const void *messages, size_t size, mnl_cb_t fn, void *userdata);
