/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl flow rejudge: what rules and filters say now holds for open flows as well. */

#include <inttypes.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/writer.h"

static void tell(const struct nx_properties *counts)
{
        uint64_t n_asked = nx_properties_get_uint64(counts, "flows_asked");

        printf("%" PRIu64 " ended, %" PRIu64 " go on",
               nx_properties_get_uint64(counts, "flows_ended"),
               nx_properties_get_uint64(counts, "flows_allowed"));
        if (n_asked)
                printf(", %" PRIu64 " wait for a filter's answer", n_asked);
        printf(".\n");
}

int verb_flow_rejudge(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        struct emitter json = EMITTER_INIT(stdout);
        _cleanup_list_ struct nx_list *answer = NULL;
        const struct nx_properties *counts;
        uint64_t n_not_ended;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_rejudge_flows(manager, &answer) < 0)
                return cli_complain("%s", nx_manager_get_error(manager));
        counts = nx_list_get(answer, 0);
        if (cli->json)
                emit_record(&json, NULL, counts);
        else
                tell(counts);
        n_not_ended = nx_properties_get_uint64(counts, "flows_not_ended");
        if (n_not_ended)
                return cli_complain("%" PRIu64 " flows are denied and could not be ended",
                                    n_not_ended);
        return CLI_OK;
}
