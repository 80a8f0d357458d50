/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl set list: the sets of destinations, how much is in them, and since when. */

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/flow.h"
#include "cli/output/writer.h"

static void add_updated(struct table *table, const struct nx_properties *set)
{
        table_add_taken(table, time_and_date(nx_properties_get_uint64(set, "updated_ns")));
}

static const struct writer_column columns[] = {
        { "NAME", "name" },
        { "NETWORKS", "networks" },
        { "DOMAINS", "domains" },
        { "UPDATED", .fn = add_updated },
        {},
};

int verb_set_list(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        _cleanup_list_ struct nx_list *sets = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_list_sets(manager, &sets))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(cli->json, sets, columns, "No set; 'netextctl set put NAME FILE' makes one.");
        return CLI_OK;
}
