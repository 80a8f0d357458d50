/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which rule is a flow's? Rules are resolved ones here. */

#include "relay/rule/rules.h"

/* What rules can ask about a flow. Borrows. */
struct subject {
        struct address remote;
        uint32_t uid;         /* NX_ANY_USER: not known */
        const char *program;  /* NULL: not known, or not to be trusted */
        const char *digest;   /* NULL: not known */
        const char *signer;   /* "TEAM.identifier"; NULL: it has none */
        const char *cgroup;   /* "/a/b"; NULL: not known */
        const char *hostname; /* NULL: not known */
};

/* The first rule that matches, or the default. */
const struct rule *decide(const struct rules *rules, const struct subject *subject);
/* False only if no flow can match both. */
bool decide_may_both_match(const struct rule *a, const struct rule *b);
