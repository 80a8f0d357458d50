/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rule language of netext-rules(5): text in memory becomes a list of rules. Nothing
 * here looks at the machine; rules_resolve() does, in its own file.
 *
 * Outcomes besides 0 and a negative errno:
 *   RULES_E_INVALID  the text is at fault, and the problems say where
 */

#include <netext/filter.h>

#include "firewall/words.h"

#define RULES_FILE_MAX (1024 * 1024)
#define RULES_MAX      NX_RULES_MAX

enum {
        RULES_E_INVALID = 1,
};

/* What is 0 or NULL matches everything. */
struct rule {
        unsigned int line;
        enum nx_filter_action action;
        enum nx_direction direction;
        int protocol;
        char *program; /* owned */
        struct position program_at;
        char *user; /* owned; a name that is yet to be looked up */
        struct position user_at;
        uint32_t uid;
        char *network; /* owned; as inet_ntop(3) writes it */
        char *domain;  /* owned; in lower case */
        uint16_t port_first, port_last;
};

struct rules {
        enum nx_filter_action default_action;
        bool loopback;
        size_t n_rules;
        struct rule *rules;
};

/* problems: empty at first; filled on RULES_E_INVALID. */
int rules_parse(struct rules **ret_rules, const char *text, size_t size, struct problems *problems);
/* NULL in, NULL out. */
struct rules *rules_free(struct rules *rules);

static inline void cleanup_rules(struct rules **rules)
{
        rules_free(*rules);
}

#define _cleanup_rules_ __attribute__((cleanup(cleanup_rules)))
