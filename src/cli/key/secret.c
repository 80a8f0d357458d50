/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl secret put, list and remove. A secret is never an argument, which every process of the
 * machine could read, and is never shown. */

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/key/input.h"
#include "cli/output/writer.h"

int verb_secret_put(struct cli *cli)
{
        const char *path = cli->n_arguments > 2 ? cli->arguments[2] : "-";
        _cleanup_manager_ struct nx_manager *manager = NULL;
        static struct input input;
        int r;

        if (input_read(&input, path))
                return CLI_FAILED;
        manager = cli_open_to_change(cli->instance);
        r = manager ? nx_manager_put_secret(manager, cli->arguments[0], cli->arguments[1],
                                            input.bytes, input.size)
                    : 0;
        input_forget(&input);
        if (r < 0)
                return cli_complain("%s", nx_manager_get_error(manager));
        return manager ? CLI_OK : CLI_FAILED;
}

int verb_secret_remove(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_remove_secret(manager, cli->arguments[0], cli->arguments[1]))
                return cli_complain("%s", nx_manager_get_error(manager));
        return CLI_OK;
}

static const struct writer_column columns[] = {
        { "EXTENSION", "extension" },
        { "NAME", "name" },
        { "BYTES", "bytes" },
        {},
};

int verb_secret_list(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);
        _cleanup_list_ struct nx_list *secrets = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_list_secrets(manager, &secrets))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(cli->json, secrets, columns,
                    "No secret; 'netextctl secret put EXTENSION NAME FILE' deposits one.");
        return CLI_OK;
}
