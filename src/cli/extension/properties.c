/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl extension properties: everything that is known of one, a key a line. */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/extension/extension.h"
#include "cli/output/flow.h"
#include "cli/output/writer.h"

static char *value_of(const struct nx_properties *properties, const char *key)
{
        size_t length = strlen(key);

        if (length > 3 && strcmp(key + length - 3, "_ns") == 0)
                return time_and_date(nx_properties_get_uint64(properties, key));
        return property_to_text(properties, key);
}

static void print_record(const struct nx_properties *properties)
{
        _cleanup_(table_deinit) struct table table = TABLE_INIT(2);

        for (size_t i = 0; i < nx_properties_get_count(properties); i++) {
                const char *key = nx_properties_get_key(properties, i);
                char *label = cli_format("%s", key);

                for (char *c = label; *c; c++)
                        *c = *c == '_' ? ' ' : *c;
                if (strlen(label) > 3 && strcmp(label + strlen(label) - 3, " ns") == 0)
                        label[strlen(label) - 3] = '\0';
                table_add_taken(&table, label);
                table_add_taken(&table, value_of(properties, key));
        }
        table_print(&table, stdout, colour_wanted(stdout), 0);
}

void extension_print_records(struct cli *cli, const struct nx_list *records)
{
        struct emitter json = EMITTER_INIT(stdout);

        if (cli->json) {
                emit_list(&json, NULL, records);
                return;
        }
        for (size_t i = 0; i < nx_list_get_count(records); i++) {
                if (i > 0)
                        putchar('\n');
                print_record(nx_list_get(records, i));
        }
}

int verb_extension_properties(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        _cleanup_list_ struct nx_list *extension = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_get_extension(manager, cli->arguments[0], &extension))
                return cli_complain("%s", nx_manager_get_error(manager));
        if (nx_list_get_count(extension) == 0)
                return cli_complain("there is no extension '%s'; see 'netextctl extension list'",
                                    cli->arguments[0]);
        extension_print_records(cli, extension);
        return CLI_OK;
}
