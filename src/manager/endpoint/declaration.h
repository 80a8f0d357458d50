/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an extension's manifest says of one of its endpoints. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum endpoint_peer_kind {
        ENDPOINT_PEER_USER,       /* a name, or a number */
        ENDPOINT_PEER_GROUP,      /* the same; also one of the supplementary groups */
        ENDPOINT_PEER_TEAM,       /* an activated extension of that team */
        ENDPOINT_PEER_EXECUTABLE, /* an absolute path */
        ENDPOINT_PEER_EVERYONE,   /* without a value */
        _ENDPOINT_PEER_MAX,
};

struct endpoint_peer {
        enum endpoint_peer_kind kind;
        const char *value; /* NULL for everyone */
        /* Of a user or group, where there is one of that name: filled by declaration_copy(). */
        bool is_resolved;
        uid_t id;
};

/* One of the peers is enough to be let in. */
struct endpoint_declaration {
        const char *name; /* "status" */
        const struct endpoint_peer *peers;
        size_t n_peers;
        /* Run as the first user among the peers; ends with NULL. NULL: nothing is run. */
        const char *const *activation;
};

/* 0 or -ENOMEM. */
int declaration_copy(struct endpoint_declaration *ret, const struct endpoint_declaration *from);
/* Only of a copy. */
void declaration_deinit(struct endpoint_declaration *declaration);
/* Looks again for users and groups that were not there. True: some were found. */
bool declaration_resolve(struct endpoint_declaration *declaration);
bool declaration_equal(const struct endpoint_declaration *a, const struct endpoint_declaration *b);
/* "the user alice, extensions of the team EXAMPLE". Caller owns; NULL: no memory. */
char *declaration_describe_peers(const struct endpoint_declaration *declaration);
