/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Takes options out of a command line by table: "--name value", "--name=value" and
 * "--name". Names are never abbreviated, so that a script keeps its meaning when an
 * option is added.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

const struct cli_option *option_find(const struct cli_option *options, const char *name,
                                     size_t size)
{
        for (; options && options->name; options++)
                if (strlen(options->name) == size && memcmp(options->name, name, size) == 0)
                        return options;
        return NULL;
}

static int complain_unknown(const char *word, size_t size, const struct cli_option *own,
                            const struct cli_option *global)
{
        char name[64] = "";
        struct nearest nearest;

        memcpy(name, word, size < sizeof(name) - 1 ? size : sizeof(name) - 1);
        nearest_init(&nearest, name);
        for (; own && own->name; own++)
                nearest_offer(&nearest, own->name, strlen(own->name));
        for (; global && global->name; global++)
                nearest_offer(&nearest, global->name, strlen(global->name));
        if (nearest.best)
                cli_complain("there is no option '--%s' here; did you mean '--%s'?", name,
                             nearest.best);
        else
                cli_complain("there is no option '--%s' here; 'netextctl help' lists them", name);
        return -EINVAL;
}

static int check_word(const struct cli_option *option, const char *value)
{
        struct nearest nearest;

        nearest_init(&nearest, value);
        for (const char *const *word = option->words; *word; word++) {
                if (strcmp(*word, value) == 0)
                        return 0;
                nearest_offer(&nearest, *word, strlen(*word));
        }
        cli_complain("--%s is one of %s, not '%s'%s%s%s", option->name, option->value, value,
                     nearest.best ? "; did you mean '" : "", nearest.best ? nearest.best : "",
                     nearest.best ? "'?" : "");
        return -EINVAL;
}

static int set_number(const struct cli_option *option, const char *value)
{
        char *end;
        long long number;

        errno = 0;
        number = strtoll(value, &end, 10);
        if (errno || end == value || *end || number < option->min || number > option->max) {
                cli_complain("--%s is a number from %lld to %lld, not '%s'", option->name,
                             (long long)option->min, (long long)option->max, value);
                return -EINVAL;
        }
        *option->number = number;
        return 0;
}

static int list_append(const struct cli_option *option, struct option_list *list, const char *item)
{
        if (*item == '\0') {
                cli_complain("--%s has an empty %s", option->name, option->value);
                return -EINVAL;
        }
        if (list->n_items == OPTION_LIST_MAX) {
                cli_complain("--%s: more than %d are too many", option->name, OPTION_LIST_MAX);
                return -E2BIG;
        }
        list->items[list->n_items++] = item;
        return 0;
}

/* value is a word of main()'s own argv, which may be cut in place. */
static int set_list(const struct cli_option *option, char *value)
{
        char *item;
        int r;

        while ((item = strsep(&value, ","))) {
                if (option->words && check_word(option, item))
                        return -EINVAL;
                r = list_append(option, option->list, item);
                if (r)
                        return r;
        }
        return 0;
}

static int set_value(const struct cli_option *option, char *value)
{
        if (option->list)
                return set_list(option, value);
        if (option->words && check_word(option, value))
                return -EINVAL;
        if (option->number)
                return set_number(option, value);
        if (option->repeated)
                return list_append(option, option->repeated, value);
        *option->string = value;
        return 0;
}

/* Handles the option at *words and moves *words to its last word. */
static int take_option(char ***words, const struct cli_option *own, const struct cli_option *global)
{
        char *word = **words + 2;
        size_t size = strcspn(word, "=");
        char *value = word[size] ? word + size + 1 : NULL;
        const struct cli_option *option = option_find(own, word, size);

        if (!option)
                option = option_find(global, word, size);
        if (!option)
                return complain_unknown(word, size, own, global);
        if (option->flag) {
                if (value) {
                        cli_complain("--%s takes no value", option->name);
                        return -EINVAL;
                }
                *option->flag = true;
                return 0;
        }
        if (!value)
                value = *++*words;
        if (!value) {
                cli_complain("--%s needs %s", option->name, option->value);
                return -EINVAL;
        }
        return set_value(option, value);
}

int options_parse(char **words, const struct cli_option *own, const struct cli_option *global,
                  bool stop_at_argument)
{
        char **first = words, **kept = words;
        bool only_arguments = false;

        for (; *words; words++) {
                if (only_arguments || **words != '-' || strcmp(*words, "-") == 0) {
                        *kept++ = *words;
                        only_arguments |= stop_at_argument;
                } else if (strcmp(*words, "--") == 0) {
                        only_arguments = true;
                } else if ((*words)[1] != '-') {
                        cli_complain("there is no option '%s': options are whole words, such as "
                                     "'--help'",
                                     *words);
                        return -EINVAL;
                } else if (take_option(&words, own, global)) {
                        return -EINVAL;
                }
        }
        *kept = NULL;
        return (int)(kept - first);
}
