/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One question to the kernel, and its whole answer. */

#include <libmnl/libmnl.h>
#include <stddef.h>

#define NETLINK_MESSAGE_MAX 32768

/* So often something is listed anew that others change meanwhile (-EINTR). */
#define NETLINK_TRIES 20

/* messages: one, or a batch of which one wants an acknowledgement. fn: for each message of the
 * answer. 0, or the kernel's error. */
int netlink_ask(int bus, const void *messages, size_t size, mnl_cb_t fn, void *userdata);
