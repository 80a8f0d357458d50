/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rule language of netext-rules(5): text in memory becomes a list of rules. Nothing
 * of rules_parse() looks at the machine.
 */

#include <netext/ask.h>
#include <netext/filter.h>

#include "common/match.h"

#define RULES_MAX NX_RULES_MAX

struct rule {
        unsigned int line;
        enum nx_filter_action action;
        struct match match;
};

struct rules {
        enum nx_filter_action default_action;
        bool loopback;
        uint32_t ask_timeout_ms;
        size_t n_rules;
        struct rule *rules;
};

/* problems: empty at first; filled on RULES_E_INVALID. */
int rules_parse(struct rules **ret_rules, const char *text, size_t size, struct problems *problems);
/* Looks up the users and programs of all rules; see match_resolve(). */
int rules_resolve(struct rules *rules, struct problems *problems, struct problems *remarks);
/* NULL in, NULL out. */
struct rules *rules_free(struct rules *rules);

static inline void cleanup_rules(struct rules **rules)
{
        rules_free(*rules);
}

#define _cleanup_rules_ __attribute__((cleanup(cleanup_rules)))
