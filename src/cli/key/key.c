/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl key generate, import, list, show and remove. */

#include <errno.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/extension/passphrase.h"
#include "cli/key/input.h"
#include "cli/output/flow.h"
#include "cli/output/writer.h"

static const char *type = "ed25519";
static struct passphrase passphrase;

static const char *const types[] = { "ed25519", "p256", "p384", "rsa", NULL };

const struct cli_option key_generate_options[] = {
        { "type", "TYPE", "ed25519, p256, p384 or rsa (of 3072 bits); default ed25519",
          .words = types, .string = &type },
        {},
};

const struct cli_option key_import_options[] = {
        { "passphrase-file", "FILE",
          "the passphrase is its first line; default: the terminal is asked, if there is one",
          .string = &passphrase.file },
        {},
};

int verb_key_generate(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_generate_key(manager, cli->arguments[0], cli->arguments[1], type))
                return cli_complain("%s", nx_manager_get_error(manager));
        return CLI_OK;
}

/* It is asked for when it turns out that there is one. */
static int import(struct cli *cli, struct nx_manager *manager, const struct input *input)
{
        int r = 0;

        if (passphrase.file && passphrase_get(&passphrase) < 0)
                return CLI_FAILED;
        do {
                r = nx_manager_import_key(manager, cli->arguments[0], cli->arguments[1],
                                          input->bytes, input->size, passphrase.text);
        } while (r == -EKEYREJECTED && !*passphrase.text && isatty(STDIN_FILENO) &&
                 passphrase_get(&passphrase) > 0);
        return r ? cli_complain("%s: %s", cli->arguments[2], nx_manager_get_error(manager))
                 : CLI_OK;
}

int verb_key_import(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = NULL;
        static struct input input;
        int status;

        if (input_read(&input, cli->arguments[2]))
                return CLI_FAILED;
        manager = cli_open_to_change(cli->instance);
        status = manager ? import(cli, manager, &input) : CLI_FAILED;
        input_forget(&input);
        passphrase_forget(&passphrase);
        return status;
}

int verb_key_remove(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_remove_key(manager, cli->arguments[0], cli->arguments[1]))
                return cli_complain("%s", nx_manager_get_error(manager));
        return CLI_OK;
}

int verb_key_show(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);
        struct emitter json = EMITTER_INIT(stdout);
        _cleanup_list_ struct nx_list *key = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_get_key(manager, cli->arguments[0], cli->arguments[1], &key))
                return cli_complain("%s", nx_manager_get_error(manager));
        if (cli->json)
                emit_record(&json, NULL, nx_list_get(key, 0));
        else
                fputs(nx_properties_get_string(nx_list_get(key, 0), "pem") ?: "", stdout);
        return CLI_OK;
}

static void add_expires(struct table *table, const struct nx_properties *key)
{
        uint64_t expires_ns = nx_properties_get_uint64(key, "expires_ns");

        if (expires_ns)
                table_add_taken(table, time_and_date(expires_ns));
        else
                table_add(table, "");
}

static const struct writer_column columns[] = {
        { "EXTENSION", "extension" },
        { "NAME", "name" },
        { "TYPE", "type" },
        { "CERTIFICATE", "subject" },
        { "EXPIRES", .fn = add_expires },
        {},
};

int verb_key_list(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open_to_change(cli->instance);
        _cleanup_list_ struct nx_list *keys = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_list_keys(manager, &keys))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(cli->json, keys, columns,
                    "No key; 'netextctl key generate EXTENSION NAME' makes one.");
        return CLI_OK;
}
