/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl set show: what is in a set, as the file that `set put` would take. */

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"
#include "cli/output/writer.h"

static void print_entry(const struct nx_properties *entry)
{
        const char *network = nx_properties_get_string(entry, "network");
        const char *domain = nx_properties_get_string(entry, "domain");

        escape_text(stdout, network ?: domain ?: "");
        putchar('\n');
}

int verb_set_show(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);
        struct emitter json = EMITTER_INIT(stdout);
        _cleanup_list_ struct nx_list *entries = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_get_set(manager, cli->arguments[0], &entries))
                return cli_complain("%s", nx_manager_get_error(manager));
        if (cli->json)
                emit_list(&json, NULL, entries);
        for (size_t i = 0; !cli->json && i < nx_list_get_count(entries); i++)
                print_entry(nx_list_get(entries, i));
        return CLI_OK;
}
