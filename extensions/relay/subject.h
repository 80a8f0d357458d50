/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netext/flow.h>

#include "relay/rule/decide.h"

/* What rules ask about a flow; borrows from it. False where its address is none. */
bool subject_of(struct subject *ret, const struct nx_flow *flow);
