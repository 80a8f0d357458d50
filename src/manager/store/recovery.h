/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is known of extensions when extensions.json is not: their copies lie in their folders, each
 * with its manifest and signature. Nothing else can be had from there, so nobody has approved them.
 */

#include "manager/store/store.h"

/* The name of the last extensions.json that was put aside, and not removed by an administrator
 * since. Caller owns; NULL: none. */
char *recovery_find_damage(const struct store *store);
/* The sentence for people on all that was put aside. Caller owns; NULL: nothing. */
char *recovery_explain_damage(const struct store *store);

/* Looks at each copy that no life has, one after the other; those in order become active, and wait
 * for approval where no policy allows them. */
void recovery_begin(struct store *store);
/* Is one of that identifier yet to be looked at? */
bool recovery_has(const struct store *store, const char *identifier);
void recovery_end(struct store *store);
