/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The total order of sessions: in which of two a flow is first. flowd sorts the same way. */

#include "manager/session/session.h"

/* Less than 0: a comes first; 0: only if both are the same session. */
int place_compare(const struct session *a, const struct session *b);
