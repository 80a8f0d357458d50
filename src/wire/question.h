/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is asked of people about a flow, MANAGER_QUESTION, and what of it an answer that is kept,
 * EXTENSION_ANSWERS_ENTRY, is about. The extension and netextd have to agree on that: either may
 * be the one that finds the answer.
 */

#include "wire/letter.h"

/* Is it the same question? Then one answer is for both. */
bool question_is_same(const struct wire_message *a, const struct wire_message *b);

/*
 * The answer to be kept; scope: enum wire_scope, several. Always of the same user, protocol and
 * direction; of WIRE_LIFETIME_RUN also of the same process. NULL: no memory.
 */
struct letter *question_keep(const struct wire_message *question, uint64_t number, uint8_t verdict,
                             enum wire_lifetime lifetime, uint8_t scope);
/* Why there can be no such answer, for people: what it would be about is not known. NULL: there
 * can. */
const char *question_problem(const struct wire_message *question, enum wire_lifetime lifetime,
                             uint8_t scope);
/* Is the kept answer one to the question? */
bool question_is_answered(const struct wire_message *question, const struct wire_message *answer);
