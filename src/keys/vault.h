/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The folder that lasts: TEAM.identifier/NAME.secret and NAME.key. netextd makes the folder of an
 * extension, and takes it away with the extension; whatever is not there then is -ENOENT here.
 */

#include <stdbool.h>

#include "keys/locked.h"

#define VAULT_ITEMS_MAX     64          /* of an extension, secrets and keys together */
#define VAULT_ITEM_SIZE_MAX (96 * 1024) /* a key with its certificates is longer than its file */

enum vault_kind {
        VAULT_SECRET,
        VAULT_KEY,
};

struct vault_place {
        int folder_fd; /* the vault */
        const char *extension;
        enum vault_kind kind;
        const char *name;
};

/* Each 0 or negative errno. */

int vault_read(const struct vault_place *place, struct locked *ret);
/* Replaces what is there, as one, and for good when this returns. -ENOSPC: VAULT_ITEMS_MAX. */
int vault_write(const struct vault_place *place, const void *bytes, size_t size);
int vault_remove(const struct vault_place *place);
bool vault_has(const struct vault_place *place);

typedef int vault_item_fn(const struct vault_place *place, void *userdata);
/* Calls fn for each of that kind; extension NULL: of all. */
int vault_for_each(int folder_fd, const char *extension, enum vault_kind kind, vault_item_fn *fn,
                   void *userdata);
