/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* The interface of that name in our network namespace: 0, or as nx_flow_attach_via() says. */
int tunnel_find(const char *name, uint32_t *ret_interface);
