/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What an administrator approved: that an identifier, of a team, by a signer, has certain
 * capabilities. A newer version with the same needs no second approval.
 */

#include <jansson.h>

#include "base/list.h"
#include "manager/store/actor.h"
#include "manager/store/copy.h"

struct approval {
        struct list link; /* store.approvals */
        char *identifier;
        char *team;
        char *signer; /* bundle_signer.identity */
        uint32_t capabilities;
        uint64_t approved_ns; /* CLOCK_REALTIME */
        struct actor by;
        uint64_t request; /* that waited for it */
};

/* The one that covers copy, or NULL. */
const struct approval *approval_find(const struct list *approvals, const struct copy *copy);
/* Why copy is not covered although the identifier was approved once: "its signer is another". NULL:
 * it never was. Static storage. */
const char *approval_explain(const struct list *approvals, const struct copy *copy);
/* Replaces what was approved of the identifier. 0 or -ENOMEM. */
int approval_add(struct list *approvals, const struct copy *copy, const struct actor *by);
/* NULL in, NULL out. */
struct approval *approval_free(struct approval *approval);
/* All of the identifier, which is no approval's own; NULL: of every one. */
void approvals_forget(struct list *approvals, const char *identifier);

json_t *approval_pack(const struct approval *approval);
/* 0; -EBADMSG. */
int approval_unpack(struct list *approvals, const json_t *object);
