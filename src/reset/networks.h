/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where netfilter rules, routes and the names of sockets are: in one network namespace each. */

#include "reset/reset.h"

/* where: " in network namespace 4026532281", or "" for our own. */
typedef void in_network_fn(struct reset *reset, const char *where, void *userdata);

/* Calls fn in each. */
void networks_visit(struct reset *reset, in_network_fn *fn, void *userdata);
