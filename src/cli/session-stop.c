/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl session stop: ends a session; says nothing when it is gone. */

#include "cli/cleanup.h"
#include "cli/cli.h"

int verb_session_stop(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_stop_session(manager, cli->arguments[0]))
                return cli_complain("%s", nx_manager_get_error(manager));
        return CLI_OK;
}
