/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl session list: how each session is, and what happened to it last. */

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/session.h"

int verb_session_list(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        _cleanup_list_ struct nx_list *sessions = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_list_sessions(manager, &sessions))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(cli->json, sessions, session_columns,
                    "No session; 'netextctl session start EXTENSION' starts one.");
        return CLI_OK;
}
