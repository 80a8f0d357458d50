/* SPDX-License-Identifier: Apache-2.0 */

/* A copy of what an extension is started from. */

#include <errno.h>
#include <string.h>

#include "manager/extension/parts.h"

/* Every string of a spec. */
static const char **text_of(struct extension_spec *spec, size_t i)
{
        const char **texts[] = { &spec->identifier,   &spec->team,         &spec->version,
                                 &spec->digest,       &spec->executable,   &spec->bundle_folder,
                                 &spec->state_folder, &spec->groups_folder };

        if (i < ARRAY_SIZE(texts))
                return texts[i];
        i -= ARRAY_SIZE(texts);
        return i < EXTENSION_GROUPS_MAX ? &spec->groups[i] : NULL;
}

void extension_spec_deinit(struct extension_spec *spec)
{
        const char **text;

        for (size_t i = 0; (text = text_of(spec, i)); i++)
                free((char *)*text);
        *spec = (struct extension_spec){};
}

int extension_spec_copy(struct extension_spec *ret, const struct extension_spec *spec)
{
        struct extension_spec copy = *spec;
        bool is_complete = true;
        const char **text;

        for (size_t i = 0; (text = text_of(&copy, i)); i++)
                if (*text) {
                        *text = strdup(*text);
                        is_complete &= *text != NULL;
                }
        if (!is_complete) {
                extension_spec_deinit(&copy);
                return -ENOMEM;
        }
        *ret = copy;
        return 0;
}
