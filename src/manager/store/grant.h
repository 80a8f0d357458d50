/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who has a copy run, and thereby have what its manifest asks for: a line of a policy, or an
 * administrator's approval. It is kept with the copy, so that it can be read when the policy has
 * changed since.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "manager/policy/policy.h"

enum grant_by {
        GRANTED_BY_NOBODY,
        GRANTED_BY_POLICY,
        GRANTED_BY_APPROVAL, /* which is among the store's */
        _GRANTED_BY_MAX,
};

struct grant {
        enum grant_by by;
        uint64_t since_ns; /* CLOCK_REALTIME: when it was first found */
        /* Of a policy, owned; see struct policy_place. */
        char *file, *key;
        unsigned int line;
};

void grant_deinit(struct grant *grant);
/* Each: true, where that is not what it was before. place: of a policy; NULL: of an approval. */
bool grant_set(struct grant *grant, const struct policy_place *place);
bool grant_clear(struct grant *grant);

/* "policy" */
const char *grant_by_to_string(enum grant_by by);
/* "office.json:3 (AllowedTeamIdentifiers)". Caller owns; NULL: by no policy, or no memory. */
char *grant_describe_place(const struct grant *grant);

json_t *grant_pack(const struct grant *grant);
/* What is not one is nobody's. */
void grant_unpack(struct grant *ret, const json_t *object);
