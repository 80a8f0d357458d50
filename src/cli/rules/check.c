/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl rules check: the extension that will read the file reads it now, so that there is one
 * parser. Nothing has to run for that, and nothing is changed by it.
 */

#include <errno.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"

int verb_rules_check(struct cli *cli)
{
        _cleanup_free_ char *program = cli_installed_path("libexec/netext/extensions/firewall");
        char *const arguments[] = {
                program, "--check", cli->arguments[0], cli->json ? "--json" : NULL, NULL,
        };

        execv(program, arguments);
        return cli_complain("cannot run '%s': %s", program, strerror(errno));
}
