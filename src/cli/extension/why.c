/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl extension why: every check that was made of an extension, in order, with its result. */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/extension/extension.h"
#include "cli/output/escape.h"
#include "cli/output/writer.h"

static bool has_result(const struct nx_properties *check, const char *result)
{
        return strcmp(nx_properties_get_string(check, "result") ?: "", result) == 0;
}

static void add_result(struct table *table, const struct nx_properties *check)
{
        enum table_colour colour = has_result(check, "passed")   ? TABLE_GREEN
                                   : has_result(check, "failed") ? TABLE_RED
                                   : has_result(check, "warned") ? TABLE_YELLOW
                                                                 : TABLE_DIM;

        table_add_coloured(table, colour, nx_properties_get_string(check, "result"));
}

/* "manifest.json: providers[1]: it is none of …" */
static char *explain(const struct nx_properties *check)
{
        const char *file = nx_properties_get_string(check, "file");
        const char *key = nx_properties_get_string(check, "key");
        const char *text = nx_properties_get_string(check, "text");

        return cli_format("%s%s%s%s%s", file ?: "", file ? ": " : "", key ?: "", key ? ": " : "",
                          text ?: "");
}

static void add_text(struct table *table, const struct nx_properties *check)
{
        table_add_taken(table, explain(check));
}

static const struct writer_column columns[] = {
        { "RESULT", .fn = add_result },
        { "CHECK", "check" },
        { "WHY", .fn = add_text },
        {},
};

static void print_conclusion(const struct nx_list *checks, const char *extension)
{
        _cleanup_free_ char *reason = NULL, *sentence = NULL;

        for (size_t i = 0; i < nx_list_get_count(checks) && !reason; i++)
                if (has_result(nx_list_get(checks, i), "failed"))
                        reason = explain(nx_list_get(checks, i));
        sentence = reason ? cli_format("%s does not run: %s", extension, reason)
                          : cli_format("%s is enabled: nothing failed.", extension);
        putchar('\n');
        escape_text(stdout, sentence);
        putchar('\n');
}

int verb_extension_why(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        _cleanup_list_ struct nx_list *checks = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_explain_extension(manager, cli->arguments[0], &checks))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(cli->json, checks, columns, "No check was made yet.");
        if (!cli->json)
                print_conclusion(checks, cli->arguments[0]);
        return CLI_OK;
}
