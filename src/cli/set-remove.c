/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl set remove: says nothing when rules that name the set match nothing any more. */

#include "cli/cleanup.h"
#include "cli/cli.h"

int verb_set_remove(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_remove_set(manager, cli->arguments[0]))
                return cli_complain("%s", nx_manager_get_error(manager));
        return CLI_OK;
}
