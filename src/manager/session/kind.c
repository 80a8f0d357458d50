/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A session is of one kind. What an extension provides it says itself, so a choice that
 * it leaves is the administrator's: taking one of several unasked would put the session
 * where nobody expects it in the chain.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "manager/loop/text.h"
#include "manager/session/kind.h"
#include "wire/names.h"

#define KINDS_TEXT_MAX 128

static bool is_provided(const struct wire_name *kind, uint64_t provided)
{
        return provided >> kind->value & 1;
}

static unsigned int count_kinds(uint64_t provided)
{
        unsigned int n = 0;

        for (const struct wire_name *kind = wire_kinds; kind->name; kind++)
                n += is_provided(kind, provided);
        return n;
}

/* "filter, transparent-proxy, app-proxy and packet-filter" */
static const char *list_kinds(uint64_t provided, char text[static KINDS_TEXT_MAX])
{
        unsigned int left = count_kinds(provided);
        size_t length = 0;

        text[0] = '\0';
        for (const struct wire_name *kind = wire_kinds; kind->name; kind++) {
                if (!is_provided(kind, provided))
                        continue;
                length +=
                        (size_t)snprintf(text + length, KINDS_TEXT_MAX - length, "%s%s", kind->name,
                                         left > 2    ? ", "
                                         : left == 2 ? " and "
                                                     : "");
                left--;
        }
        return text;
}

static int the_only_kind(uint64_t provided)
{
        for (const struct wire_name *kind = wire_kinds; kind->name; kind++)
                if (is_provided(kind, provided))
                        return kind->value;
        return 0;
}

int kind_choose(int wanted, uint64_t provided, int *ret_kind, char **ret_problem)
{
        unsigned int n_kinds = count_kinds(provided);
        char text[KINDS_TEXT_MAX];

        if (n_kinds == 0)
                return text_problem(ret_problem, -EINVAL,
                                    "the extension provides none of the kinds that this netextd "
                                    "knows: %s",
                                    list_kinds(UINT64_MAX, text));
        if (!wanted && n_kinds > 1)
                return text_problem(ret_problem, -EINVAL,
                                    "the extension provides %s: say which of them this session "
                                    "is, with --kind, or in a run with --with NAME:KIND",
                                    list_kinds(provided, text));
        if (wanted && !(provided >> wanted & 1))
                return text_problem(ret_problem, -EINVAL, "the extension provides %s, not %s",
                                    list_kinds(provided, text),
                                    wire_name_to_string(wire_kinds, wanted));
        *ret_kind = wanted ?: the_only_kind(provided);
        return 0;
}
