/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an extension's manifest says of one of its endpoints. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bundle/manifest.h"

struct endpoint_peer {
        enum manifest_peer_kind kind;
        char *value; /* owned; NULL for everyone */
        /* Of a user or group, where it is known that there is one of that name. */
        bool is_resolved;
        uid_t id;
};

/* One of the peers is enough to be let in. All of it is owned. */
struct endpoint_declaration {
        char *name; /* "status" */
        struct endpoint_peer *peers;
        size_t n_peers;
        /* Run as the first user among the peers; ends with NULL. NULL: nothing is run. */
        char **activation;
};

/* It names a user or group whose number is not known. */
bool peer_is_unknown(const struct endpoint_peer *peer);

/* Knows users and groups by their numbers only; see names.h. 0 or -ENOMEM. */
int declaration_make(struct endpoint_declaration *ret, const struct manifest_endpoint *from);
void declaration_deinit(struct endpoint_declaration *declaration);
bool declaration_is_of(const struct endpoint_declaration *declaration,
                       const struct manifest_endpoint *endpoint);
/* "the user alice, extensions of the team EXAMPLE". Caller owns; NULL: no memory. */
char *declaration_describe_peers(const struct endpoint_declaration *declaration);
