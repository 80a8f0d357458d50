/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which rules are in force, and what they would decide: for people who ask netextd. */

#include "engine/link.h"

/* FLOWD_RULES_LIST: the rules of a session in their order, the last of them what is its default.
 * The result; nothing was sent on an error. */
int rules_list(struct link *link, const struct wire_message *message);
/* FLOWD_RULES_JUDGE: what each session would do with such a flow now, up to one that denies it. */
int rules_judge(struct link *link, const struct wire_message *message);
