/* SPDX-License-Identifier: Apache-2.0 */

/* What a session can be, in the words that people type. */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"

static const enum nx_provider_kind kinds[] = {
        NX_PROVIDER_KIND_FILTER,
        NX_PROVIDER_KIND_TRANSPARENT_PROXY,
        NX_PROVIDER_KIND_APP_PROXY,
        NX_PROVIDER_KIND_PACKET_FILTER,
};

const char *const cli_kinds[] = { "filter", "transparent-proxy", "app-proxy", "packet-filter",
                                  NULL };

_Static_assert(ARRAY_SIZE(cli_kinds) == ARRAY_SIZE(kinds) + 1, "a word for each");

enum nx_provider_kind cli_kind(const char *word)
{
        for (size_t i = 0; word && i < ARRAY_SIZE(kinds); i++)
                if (strcmp(cli_kinds[i], word) == 0)
                        return kinds[i];
        return 0;
}
