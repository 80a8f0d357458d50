/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "reset/reset.h"

/* The policy rules of the instances that are meant, and the routes to which those lead. Before
 * pins_remove(): an instance's pinned state says which are its own. */
void routing_remove(struct reset *reset);
