/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl chain: whom a new flow passes, in order. */

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/writer.h"

static const struct writer_column columns[] = {
        { "POSITION", "position" },
        { "SESSION", "session" },
        { "KIND", "kind" },
        { "GRADE", "grade" },
        { "ORDER", "order" },
        { "STATE", "state" },
        { "FAIL POLICY", "fail_policy" },
        {},
};

int verb_chain(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        _cleanup_list_ struct nx_list *chain = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_get_chain(manager, &chain))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(cli->json, chain, columns,
                    "No session is running: flows pass, and are recorded.");
        return CLI_OK;
}
