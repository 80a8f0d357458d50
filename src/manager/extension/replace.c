/* SPDX-License-Identifier: Apache-2.0 */

/* What the store wants of an extension: that it runs, and as what. */

#include <string.h>

#include "manager/extension/parts.h"
#include "manager/loop/text.h"

static bool is_same_text(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same(const struct extension_spec *a, const struct extension_spec *b)
{
        return is_same_text(a->digest, b->digest) && is_same_text(a->version, b->version) &&
               is_same_text(a->executable, b->executable);
}

static int start_new(struct extension_table *table, const struct extension_spec *spec,
                     struct extension **ret_extension, char **ret_problem)
{
        int r;

        r = extension_new(table, spec->identifier, spec, ret_extension);
        if (r == -ENOSPC)
                return text_problem(ret_problem, r, "%d extensions are there already; remove one",
                                    EXTENSIONS_MAX);
        if (r >= 0)
                extension_start_soon(*ret_extension);
        return r;
}

int extension_table_put(struct extension_table *table, const struct extension_spec *spec,
                        struct extension **ret_extension, char **ret_problem)
{
        struct extension *extension;

        if (!spec->identifier || !spec->team || !spec->executable || *spec->executable != '/')
                return -EINVAL;
        extension = extension_table_find(table, spec->identifier);
        if (!extension)
                return start_new(table, spec, ret_extension, ret_problem);
        *ret_extension = extension;
        if (is_same(&extension->spec, spec))
                return -EALREADY;
        return text_problem(ret_problem, -EBUSY, "%s cannot be replaced yet", extension->name);
}
