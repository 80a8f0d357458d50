/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl extension reset, gc, developer and policy: about all extensions of an instance. */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/extension/extension.h"
#include "cli/output/flow.h"
#include "cli/output/writer.h"

static int print_number(struct cli *cli, const char *key, uint64_t number, const char *sentence)
{
        struct emitter json = EMITTER_INIT(stdout);

        if (cli->json) {
                emit_begin(&json, NULL, '{');
                emit_uint64(&json, key, number);
                emit_end(&json, '}');
        } else {
                printf("%lu %s\n", (unsigned long)number, sentence);
        }
        return CLI_OK;
}

int verb_extension_reset(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);
        uint64_t n;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_reset_extensions(manager, &n))
                return cli_complain("%s", nx_manager_get_error(manager));
        return print_number(cli, "extensions", n,
                            "extension(s) are being removed; see 'netextctl extension list'");
}

int verb_extension_gc(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);
        uint64_t n;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_collect_extensions(manager, &n))
                return cli_complain("%s", nx_manager_get_error(manager));
        return print_number(cli, "removed", n,
                            "folder(s) that belonged to no extension were removed");
}

static int show_developer(struct cli *cli, struct nx_manager *manager)
{
        struct emitter json = EMITTER_INIT(stdout);
        bool on;

        if (nx_manager_get_developer_mode(manager, &on))
                return cli_complain("%s", nx_manager_get_error(manager));
        if (cli->json) {
                emit_begin(&json, NULL, '{');
                emit_bool(&json, "developer", on);
                emit_end(&json, '}');
        } else {
                puts(on ? "Developer mode is on: extensions may be signed by anybody."
                        : "Developer mode is off.");
        }
        return CLI_OK;
}

int verb_extension_developer(struct cli *cli)
{
        const char *word = cli->n_arguments > 0 ? cli->arguments[0] : NULL;
        _cleanup_manager_ struct nx_manager *manager = NULL;

        if (word && strcmp(word, "on") != 0 && strcmp(word, "off") != 0) {
                cli_complain("'%s': expected on or off", word);
                return CLI_USAGE;
        }
        manager = word ? cli_open_to_change(cli->instance) : cli_open(cli->instance);
        if (!manager)
                return CLI_FAILED;
        if (!word)
                return show_developer(cli, manager);
        if (nx_manager_set_developer_mode(manager, strcmp(word, "on") == 0))
                return cli_complain("%s", nx_manager_get_error(manager));
        return CLI_OK;
}

static void add_since(struct table *table, const struct nx_properties *file)
{
        uint64_t since = nx_properties_get_uint64(file, "since_ns");

        if (since)
                table_add_taken(table, time_and_date(since));
        else
                table_add_coloured(table, TABLE_RED, "not in force");
}

static const struct writer_column columns[] = {
        { "FILE", "file" },
        { "IN FORCE SINCE", .fn = add_since },
        { "WARNING", "warning" },
        { "PROBLEM", "problem" },
        {},
};

int verb_extension_policy(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        _cleanup_list_ struct nx_list *files = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_list_policies(manager, &files))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(cli->json, files, columns, "No policy: an administrator approves extensions.");
        return CLI_OK;
}
