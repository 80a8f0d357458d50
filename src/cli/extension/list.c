/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl extension list: what is installed, and what runs of it, which are two things. Below the
 * table stands what somebody should know; `extension properties` has all of one.
 */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/extension/extension.h"
#include "cli/output/escape.h"
#include "cli/output/process.h"
#include "cli/output/writer.h"

static void add_star(struct table *table, bool is_so)
{
        table_add(table, is_so ? "*" : " ");
}

static void add_enabled(struct table *table, const struct nx_properties *extension)
{
        add_star(table, nx_properties_get_bool(extension, "enabled"));
}

static void add_active(struct table *table, const struct nx_properties *extension)
{
        add_star(table, nx_properties_get_bool(extension, "active"));
}

static void add_managed(struct table *table, const struct nx_properties *extension)
{
        add_star(table, nx_properties_get_bool(extension, "managed"));
}

static void add_identifier(struct table *table, const struct nx_properties *extension)
{
        table_add_taken(table,
                        cli_format("%s (%s/%s)", nx_properties_get_string(extension, "identifier"),
                                   nx_properties_get_string(extension, "short_version") ?: "?",
                                   nx_properties_get_string(extension, "version") ?: "?"));
}

static const struct writer_column columns[] = {
        { "ENABLED", .fn = add_enabled },
        { "ACTIVE", .fn = add_active },
        { "TEAM", "team" },
        { "IDENTIFIER (VERSION)", .fn = add_identifier },
        { "NAME", "name" },
        { "STATE", .fn = extension_add_state },
        { "PID", .fn = process_add_pid },
        { "RUNNING SINCE", .fn = process_add_since },
        { "RESTARTS", "restarts" },
        { "LAST EXIT", "last_exit" },
        { "DIGEST", .fn = extension_add_digest },
        { "MANAGED", .fn = add_managed },
        { "CAPABILITIES", "capabilities" },
        { "GRANTED BY", "granted_by" },
        { "ENDPOINTS", "endpoints" },
        {},
};

static void print_notes(const struct nx_list *extensions)
{
        for (size_t i = 0; i < nx_list_get_count(extensions); i++) {
                const struct nx_properties *extension = nx_list_get(extensions, i);
                const char *message = nx_properties_get_string(extension, "message");
                _cleanup_free_ char *note = NULL;

                if (nx_properties_get_bool(extension, "developer"))
                        printf("\n%s: its signer is unknown here; developer mode let it in\n",
                               nx_properties_get_string(extension, "identifier"));
                if (!message)
                        continue;
                note = cli_format("%s: %s", nx_properties_get_string(extension, "identifier"),
                                  message);
                putchar('\n');
                escape_text(stdout, note);
                putchar('\n');
        }
}

/* What was lost stands below, also where no extension is left to say it. */
static void print_damage(struct nx_manager *manager)
{
        _cleanup_list_ struct nx_list *status = NULL;
        const char *problem;

        if (nx_manager_get_status(manager, &status) || nx_list_get_count(status) == 0)
                return;
        problem = nx_properties_get_string(nx_list_get(status, 0), "store_problem");
        if (!problem)
                return;
        putchar('\n');
        escape_text(stdout, problem);
        putchar('\n');
}

int verb_extension_list(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        _cleanup_list_ struct nx_list *extensions = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_list_extensions(manager, &extensions))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(
                cli->json, extensions, columns,
                "No extension is installed; 'netextctl extension activate BUNDLE' installs one.");
        if (!cli->json) {
                print_notes(extensions);
                print_damage(manager);
        }
        return CLI_OK;
}
