/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rule language of netext-relay(5): text in memory becomes upstreams and a list of
 * rules. Nothing of rules_parse() looks at the machine.
 */

#include "common/match.h"
#include "relay/rule/upstream.h"

#define RULES_MAX     (NX_RULES_MAX - 1) /* the default may need one, too */
#define UPSTREAMS_MAX 64

#define TIMEOUT_S_DEFAULT  10
#define TIMEOUT_S_MAX      600
#define HANDSHAKES_DEFAULT 10000
#define HANDSHAKES_MAX     60000 /* each is a descriptor, of 65536 */

enum way {
        WAY_IGNORE, /* declined: not ours */
        WAY_DIRECT,
        WAY_UPSTREAM,
};

/* Where a rule sends flows. */
struct route {
        enum way way;
        char *name; /* owned; WAY_UPSTREAM's */
        struct position name_at;
        const struct upstream *upstream; /* of the same rules; WAY_UPSTREAM's */
};

struct rule {
        unsigned int line;
        struct route route;
        struct match match;
        struct network network; /* that of match; after rules_resolve() */
};

struct rules {
        size_t n_upstreams, n_rules;
        struct upstream *upstreams;
        struct rule *rules;
        struct rule fallback; /* `default`: matches everything */
        bool loopback;
        uint32_t timeout_s, handshakes_max;
};

/* problems: empty at first; filled on RULES_E_INVALID. */
int rules_parse(struct rules **ret_rules, const char *text, size_t size, struct problems *problems);
/* Looks up the users and programs of all rules; see match_resolve(). */
int rules_resolve(struct rules *rules, struct problems *problems, struct problems *remarks);
/* NULL in, NULL out. */
struct rules *rules_free(struct rules *rules);

/* NULL if there is none of that name. */
const struct upstream *rules_find_upstream(const struct rules *rules, const char *name);

static inline void cleanup_rules(struct rules **rules)
{
        rules_free(*rules);
}

#define _cleanup_rules_ __attribute__((cleanup(cleanup_rules)))
