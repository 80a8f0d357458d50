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
/* Each removes something from the state directory, and returns how many things that were. */

/* What is in no copy, no life and no activation. */
unsigned int database_collect(const struct store *store);
/* Of those, only folders of groups that no copy names any more. */
unsigned int database_collect_groups(const struct store *store);
/* What is staged for no activation. */
unsigned int database_collect_staging(const struct store *store);
/* What was put aside: when somebody asks, and has had time to look at it. */
unsigned int database_collect_damage(const struct store *store);
