/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether who connected is one of the peers that the manifest lists. */

#include "manager/endpoint/declaration.h"
#include "manager/priv/caller.h"

/* team: of the extension whose process the caller is, or NULL. */
bool admission_allows(const struct endpoint_declaration *declaration, const struct caller *caller,
                      const char *team);
/* "/usr/bin/curl (pid 12, user 1000)". Caller owns; NULL: no memory. */
char *admission_describe(const struct caller *caller);
