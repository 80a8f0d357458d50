/* SPDX-License-Identifier: Apache-2.0 */

/* What an administrator says of an extension: approve, refuse, enable, disable. Silent when done.
 */

#include "cli/cleanup.h"
#include "cli/extension/extension.h"

static int decide(struct cli *cli, int (*fn)(struct nx_manager *manager, const char *extension))
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);

        if (!manager)
                return CLI_FAILED;
        if (fn(manager, cli->arguments[0]))
                return cli_complain("%s", nx_manager_get_error(manager));
        return CLI_OK;
}

static int enable(struct nx_manager *manager, const char *extension)
{
        return nx_manager_switch_extension(manager, extension, true);
}

static int disable(struct nx_manager *manager, const char *extension)
{
        return nx_manager_switch_extension(manager, extension, false);
}

int verb_extension_approve(struct cli *cli)
{
        return decide(cli, nx_manager_approve_extension);
}

int verb_extension_refuse(struct cli *cli)
{
        return decide(cli, nx_manager_refuse_extension);
}

int verb_extension_enable(struct cli *cli)
{
        return decide(cli, enable);
}

int verb_extension_disable(struct cli *cli)
{
        return decide(cli, disable);
}
