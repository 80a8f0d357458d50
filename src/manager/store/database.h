/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* extensions.json in the state directory: copies, approvals, developer mode. */

#include "manager/store/store.h"

#define DATABASE_NAME "extensions.json"

/* Replaces the file as one. 0 or negative errno. */
int database_save(const struct store *store);
/*
 * Fills the store, life by life. What cannot be read keeps nobody from starting: the file is put
 * aside, and what of it is not known then lies in its folders (recovery.h).
 */
void database_load(struct store *store);
/* Removes what is in the state directory and in no copy, no life and no activation, and what was
 * put aside. Returns how many things that were. */
unsigned int database_collect(const struct store *store);
/* What is staged for no activation. */
unsigned int database_collect_staging(const struct store *store);
