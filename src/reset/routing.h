/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "reset/reset.h"

/* The policy rules of the instances that are meant, and the routes to which those lead. Before
 * netfilter_remove() and pins_remove(): what these remove says which are an instance's own. */
void routing_remove(struct reset *reset);
