/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl extension verify, lint and inspect: three ways to tell of one look at a bundle. verify
 * says what netextd would say of it; lint says every check, and can do without a signature;
 * inspect says what is in it, and of an installed one what it may do (granted.c).
 */

#include <string.h>
#include <unistd.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/extension/extension.h"
#include "cli/extension/opened.h"
#include "cli/extension/show.h"

static const char *trust;
static bool developer;

const struct cli_option extension_verify_options[] = {
        { "trust", "FOLDER", "roots and revocation lists; default " TRUST_FOLDER,
          .string = &trust },
        { "developer", NULL, "as in developer mode: whoever signed it is let pass",
          .flag = &developer },
        {},
};

const struct cli_option extension_inspect_options[] = {
        { "trust", "FOLDER", "roots and revocation lists; default " TRUST_FOLDER,
          .string = &trust },
        {},
};

static int conclude(const struct bundle *bundle)
{
        return bundle_report_is_good(&bundle->report) ? CLI_OK : CLI_FAILED;
}

int verb_extension_verify(struct cli *cli)
{
        const struct bundle_options options = { .unknown_signer = developer };
        _cleanup_(bundle_deinit) struct bundle bundle = {};
        int r = opened_verify(cli->arguments[0], trust, &options, &bundle);

        if (r != 0)
                return r;
        if (cli->json)
                show_json(&bundle);
        else
                show_report(&bundle, cli->arguments[0], false);
        return conclude(&bundle);
}

int verb_extension_lint(struct cli *cli)
{
        const struct bundle_options options = { .without_signature = true };
        _cleanup_(bundle_deinit) struct bundle bundle = {};
        int r = opened_verify(cli->arguments[0], NULL, &options, &bundle);

        if (r != 0)
                return r;
        if (cli->json)
                show_json(&bundle);
        else
                show_report(&bundle, cli->arguments[0], true);
        return conclude(&bundle);
}

/* A path is a bundle, whether or not it is there; anything else an installed extension. */
static bool is_path(const char *word)
{
        size_t length = strlen(word);

        return strchr(word, '/') || access(word, F_OK) == 0 ||
               (length > 4 && strcmp(word + length - 4, ".nxt") == 0);
}

/* Also of a bundle that is refused: that is when one wants to know. */
static int inspect_bundle(struct cli *cli)
{
        const struct bundle_options options = {};
        _cleanup_(bundle_deinit) struct bundle bundle = {};
        int r = opened_verify(cli->arguments[0], trust, &options, &bundle);

        if (r != 0)
                return r;
        if (cli->json) {
                show_json(&bundle);
                return CLI_OK;
        }
        show_facts(&bundle);
        putchar('\n');
        show_report(&bundle, cli->arguments[0], false);
        return CLI_OK;
}

int verb_extension_inspect(struct cli *cli)
{
        return is_path(cli->arguments[0]) ? inspect_bundle(cli) : extension_show_granted(cli);
}
