/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A rule, or an answer that is kept, in the words of netext-rules(5). */

#include <netext/manager.h>

/* "program /usr/bin/curl to example.org port 443 protocol tcp"; as raw as the record. Caller owns.
 */
char *rule_clauses(const struct nx_properties *rule);
char *answer_clauses(const struct nx_properties *answer);
