/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl flow kill: ends open flows, one by its number or all that are meant. */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/flow.h"
#include "cli/output/writer.h"

static const char *program, *remote;

const struct cli_option flow_kill_options[] = {
        { "program", "PATH", "those of this executable, by its path or its name",
          .string = &program },
        { "remote", "ADDRESS[:PORT]", "those to this address, [ADDRESS]:PORT of IPv6, or :PORT",
          .string = &remote },
        {},
};

static int parse_port(const char *text, uint16_t *ret_port)
{
        unsigned long port;
        char *end;

        errno = 0;
        port = strtoul(text, &end, 10);
        if (errno || *end || *text < '0' || *text > '9' || port == 0 || port > UINT16_MAX)
                return -EINVAL;
        *ret_port = (uint16_t)port;
        return 0;
}

static bool is_address(const char *text)
{
        struct in6_addr address;

        return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* "198.18.0.1", "198.18.0.1:80", "fd00::1", "[fd00::1]", "[fd00::1]:80" or ":80". text is changed,
 * and the address lies in it. */
static int parse_remote(char *text, struct nx_flow_selection *selection)
{
        char *port = NULL, *colon = strrchr(text, ':'), *bracket = strchr(text, ']');

        if (*text == '[' && bracket) {
                if (bracket[1] == ':')
                        port = bracket + 2;
                else if (bracket[1])
                        return -EINVAL;
                *bracket = '\0';
                text++;
        } else if (colon && strchr(text, ':') == colon) {
                port = colon + 1;
                *colon = '\0';
        }
        if (port && parse_port(port, &selection->remote_port))
                return -EINVAL;
        if (*text && !is_address(text))
                return -EINVAL;
        if (*text)
                selection->remote_address = text;
        return *text || port ? 0 : -EINVAL;
}

static int read_selection(struct cli *cli, char *remote_text, struct nx_flow_selection *selection)
{
        const char *number = cli->arguments[0];

        if (number ? program || remote : !program && !remote)
                return cli_complain("say which flow, by its number; or which flows, by --program "
                                    "and --remote");
        if (number && flow_parse_identifier(number, &selection->identifier))
                return cli_complain("'%s' is not a flow's number; 'netextctl flow list' shows them",
                                    number);
        if (remote && parse_remote(remote_text, selection))
                return cli_complain("--remote is an address, with a port or without: '%s'", remote);
        selection->program = program;
        return CLI_OK;
}

static void tell(const struct cli *cli, uint64_t n_ended)
{
        if (cli->json)
                printf("{\"flows_ended\": %" PRIu64 "}\n", n_ended);
        else
                printf("%" PRIu64 " flow%s ended.\n", n_ended, n_ended == 1 ? "" : "s");
}

static int complain(const struct nx_flow_selection *selection, const char *problem)
{
        if (selection->identifier)
                return cli_complain("flow %" PRIu64 ": %s", selection->identifier, problem);
        return cli_complain("%s", problem);
}

int verb_flow_kill(struct cli *cli)
{
        struct nx_flow_selection selection = { NX_FLOW_SELECTION_INIT };
        _cleanup_free_ char *remote_text = cli_format("%s", remote ?: "");
        _cleanup_manager_ struct nx_manager *manager = NULL;
        uint64_t n_ended;

        if (read_selection(cli, remote_text, &selection))
                return CLI_USAGE;
        manager = cli_open_to_change(cli->instance);
        if (!manager)
                return CLI_FAILED;
        if (nx_manager_end_flows(manager, &selection, &n_ended))
                return complain(&selection, nx_manager_get_error(manager));
        tell(cli, n_ended);
        return CLI_OK;
}
