/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl flow list: the flows that flowd keeps, a row each. */

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/flow.h"
#include "cli/output/writer.h"

static int64_t limit = 100;
static bool packages;

const struct cli_option flow_list_options[] = {
        { "limit", "N", "at most the newest N; 0 for all that are kept; default 100", .min = 0,
          .max = INT32_MAX, .number = &limit },
        { "packages", NULL, "of which package each program is", .flag = &packages },
        {},
};

static void add_time(struct table *table, const struct nx_properties *flow)
{
        if (!nx_properties_has(flow, "started_ns")) {
                table_add(table, "older");
                return;
        }
        table_add_taken(table, time_of_day(nx_properties_get_uint64(flow, "started_ns")));
}

static void add_outcome(struct table *table, const struct nx_properties *flow)
{
        const char *outcome = flow_outcome(flow);

        table_add_coloured(table, flow_outcome_colour(outcome), outcome);
}

static void add_program(struct table *table, const struct nx_properties *flow)
{
        table_add_taken(table, flow_program(flow));
}

static void add_remote(struct table *table, const struct nx_properties *flow)
{
        table_add_taken(table, flow_remote(flow));
}

static void add_why(struct table *table, const struct nx_properties *flow)
{
        table_add_taken(table, flow_why(flow));
}

static const struct writer_column columns[] = {
        { "ID", .key = "flow" },          { "STARTED", .fn = add_time },
        { "VERDICT", .fn = add_outcome }, { "PROGRAM", .fn = add_program },
        { "REMOTE", .fn = add_remote },   { "STATE", .key = "state" },
        { "WHY", .fn = add_why },         {},
};

int verb_flow_list(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        _cleanup_list_ struct nx_list *flows = NULL;

        if (!manager)
                return CLI_FAILED;
        nx_manager_want_packages(manager, packages);
        if (nx_manager_list_flows(manager, (uint64_t)limit, &flows))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(cli->json, flows, columns, "No flows yet.");
        return CLI_OK;
}
