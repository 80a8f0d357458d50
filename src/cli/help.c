/* SPDX-License-Identifier: Apache-2.0 */

/* Help, printed from the tables that the command line is parsed by. */

#include <ctype.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/table.h"

static void print_options(FILE *out, const char *title, const struct cli_option *options)
{
        _cleanup_(table_deinit) struct table table = TABLE_INIT(2);

        if (!options)
                return;
        for (; options->name; options++) {
                table_add_taken(&table,
                                cli_format("--%s%s%s", options->name, options->value ? " " : "",
                                           options->value ? options->value : ""));
                table_add(&table, options->help);
        }
        fprintf(out, "\n%s\n", title);
        table_print(&table, out, false, 2);
}

/* group: only its verbs; NULL: all. */
static void print_verbs(FILE *out, const char *group)
{
        _cleanup_(table_deinit) struct table table = TABLE_INIT(2);

        for (const struct cli_verb *verb = cli_verbs; verb->name; verb++) {
                if (!verb->help || (group && !verb_is_in(verb, group)))
                        continue;
                table_add_taken(&table, cli_format("%s %s", verb->name, verb->arguments));
                table_add(&table, verb->help);
        }
        fprintf(out, "\nVerbs\n");
        table_print(&table, out, false, 2);
}

void help_print(FILE *out)
{
        fprintf(out, "Usage: netextctl [OPTION]... VERB [OPTION]... [ARGUMENT]...\n"
                     "Decide what programs may do on the network, and see what they did.\n");
        print_verbs(out, NULL);
        print_options(out, "Options of every verb", cli_global_options);
        fprintf(out,
                "\n'netextctl help VERB' has a verb's own options; netextctl(1) is the manual.\n");
}

void help_print_group(FILE *out, const char *group)
{
        fprintf(out, "Usage: netextctl %s VERB [OPTION]... [ARGUMENT]...\n", group);
        print_verbs(out, group);
        print_options(out, "Options of every verb", cli_global_options);
}

void help_print_verb(FILE *out, const struct cli_verb *verb)
{
        bool blank = *verb->arguments != '\0';

        fprintf(out, "Usage: netextctl %s [OPTION]...%s%s%s\n%c%s.\n", verb->name,
                verb->max_arguments < 0 ? " --" : "", blank ? " " : "", verb->arguments,
                toupper(verb->help[0]), verb->help + 1);
        print_options(out, "Options", verb->options);
        print_options(out, "Options of every verb", cli_global_options);
}

int verb_help(struct cli *cli)
{
        char **words = cli->arguments;
        const struct cli_verb *verb;

        if (cli->n_arguments == 0) {
                help_print(stdout);
                return CLI_OK;
        }
        if (cli->n_arguments == 1 && verb_group(words[0])) {
                help_print_group(stdout, words[0]);
                return CLI_OK;
        }
        verb = verb_find(&words);
        if (!verb)
                return CLI_USAGE;
        help_print_verb(stdout, verb);
        return CLI_OK;
}
