/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Takes a decision back from the connection table. Another program that gets the port of
 * a closed UDP socket must not inherit what was decided for the one before.
 */

#include <stdint.h>

#include "base/endpoint.h"

/* A netlink socket for conntrack_forget(), or a negative errno. */
int conntrack_open(void);
/* Clears our bits of the connection's mark, if there is such a connection. */
void conntrack_forget(int fd, uint32_t mark_mask, uint8_t protocol, const struct endpoint *local,
                      const struct endpoint *remote);
