/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* extensions.json in the state directory: copies, approvals, developer mode. */

#include "manager/store/store.h"

/* Replaces the file as one. 0 or negative errno. */
int database_save(const struct store *store);
/* Fills the store, life by life. 0; -ENOENT; or negative errno after a log line. */
int database_load(struct store *store);
/* Removes what is in the state directory and in no copy, no life and no activation. Returns how
 * many things that were. */
unsigned int database_collect(const struct store *store);
