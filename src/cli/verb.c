/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Finds a verb by its one or two words. Names in the table hold a blank where they
 * have two; what stands before it is a group.
 */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"

bool verb_is_in(const struct cli_verb *verb, const char *group)
{
        size_t size = strlen(group);

        return strncmp(verb->name, group, size) == 0 && verb->name[size] == ' ';
}

const char *verb_group(const char *word)
{
        for (const struct cli_verb *verb = cli_verbs; word && verb->name; verb++)
                if (verb_is_in(verb, word))
                        return word;
        return NULL;
}

const struct cli_verb *verb_get(const char *name)
{
        for (const struct cli_verb *verb = cli_verbs; verb->name; verb++)
                if (strcmp(verb->name, name) == 0)
                        return verb;
        return NULL;
}

/* name: what there is none of; group: its first word, if that is right, or NULL. */
static void complain_unknown(const char *name, const char *group)
{
        struct nearest nearest;

        nearest_init(&nearest, name);
        for (const struct cli_verb *verb = cli_verbs; verb->name; verb++)
                if (verb->help && (!group || verb_is_in(verb, group)))
                        nearest_offer(&nearest, verb->name, strcspn(verb->name, group ? "" : " "));
        if (nearest.best)
                cli_complain("there is no verb '%s'; did you mean '%.*s'?", name, (int)nearest.size,
                             nearest.best);
        else
                cli_complain("there is no verb '%s'; 'netextctl help%s%s' lists them", name,
                             group ? " " : "", group ? group : "");
}

const struct cli_verb *verb_find(char ***words)
{
        const char *second = (*words)[1];
        const char *group = second ? verb_group((*words)[0]) : NULL;
        _cleanup_free_ char *name =
                cli_format("%s%s%s", (*words)[0], group ? " " : "", group ? second : "");
        const struct cli_verb *verb = verb_get(name);

        if (verb)
                *words += group ? 2 : 1;
        else
                complain_unknown(name, group);
        return verb;
}
