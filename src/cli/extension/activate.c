/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl extension activate and deactivate: ask, and wait for the outcome. Interrupted, or with
 * --no-wait, the request goes on; `extension request` has what became of it.
 */

#include <errno.h>
#include <unistd.h>

#include "cli/cleanup.h"
#include "cli/extension/extension.h"

static bool approve;
static bool replace;
static bool no_wait;

const struct cli_option extension_activate_options[] = {
        { "approve", NULL, "approve it as well, as an administrator", .flag = &approve },
        { "replace", NULL, "also by an older version, or by the same one with another content",
          .flag = &replace },
        { "no-wait", NULL, "print the request's number, do not wait for its outcome",
          .flag = &no_wait },
        {},
};

const struct cli_option extension_deactivate_options[] = {
        { "no-wait", NULL, "print the request's number, do not wait for its outcome",
          .flag = &no_wait },
        {},
};

static int conclude(struct cli *cli, struct nx_manager *manager, uint64_t request)
{
        if (!no_wait)
                return extension_wait(cli, manager, request, approve);
        printf("%lu\n", (unsigned long)request);
        return CLI_OK;
}

int verb_extension_activate(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = NULL;
        const struct nx_activation activation = {
                NX_ACTIVATION_INIT,
                .path = cli->arguments[0],
                .replace = replace ? NX_REPLACE_YES : NX_REPLACE_NEWER,
        };
        uint64_t request;

        if (access(activation.path, F_OK) < 0 && errno == ENOENT)
                return extension_complain_missing(activation.path);
        manager = cli_open_to_change(cli->instance);
        if (!manager)
                return CLI_FAILED;
        if (nx_manager_activate(manager, &activation, &request))
                return cli_complain("%s", nx_manager_get_error(manager));
        return conclude(cli, manager, request);
}

int verb_extension_deactivate(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);
        uint64_t request;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_deactivate(manager, cli->arguments[0], &request))
                return cli_complain("%s", nx_manager_get_error(manager));
        return conclude(cli, manager, request);
}
