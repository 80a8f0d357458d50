/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netext/flow.h>

#include "relay/rule/address.h"

/* A socket that connects to address, without waiting, and carries flow on: through tunnel, or NULL.
 * 0 or a negative errno. */
int way_open(int *ret_fd, struct nx_flow *flow, const struct address *address, const char *tunnel);
/* Whether that failed for want of descriptors or memory. */
bool way_was_short(int error);
