/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl rules why: what would become of a flow that somebody has in mind, session by session,
 * as the rules in force are. */

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pwd.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"
#include "cli/output/writer.h"
#include "cli/rules/rule.h"

static bool is_udp, is_inbound;
static const char *user, *local_address, *local_port;

const struct cli_option rules_why_options[] = {
        { "udp", NULL, "a flow of UDP, not of TCP", .flag = &is_udp },
        { "inbound", NULL, "HOST begins it", .flag = &is_inbound },
        { "local", "ADDRESS", "and reaches the program at ADDRESS", .string = &local_address },
        { "local-port", "PORT", "and its port PORT", .string = &local_port },
        { "user", "USER", "whose program it is, a name or number; default: who asks",
          .string = &user },
        {},
};

static int parse_port(const char *text, uint16_t *ret_port)
{
        char *end;
        unsigned long port;

        errno = 0;
        port = strtoul(text, &end, 10);
        if (errno || *end || *text < '0' || *text > '9' || port > UINT16_MAX || port == 0) {
                cli_complain("'%s' is not a port: expected 1 to 65535", text);
                return CLI_USAGE;
        }
        *ret_port = (uint16_t)port;
        return CLI_OK;
}

static int parse_user(uint32_t *ret_user)
{
        const struct passwd *known = user ? getpwnam(user) : NULL;
        unsigned long number;
        char *end = NULL;

        *ret_user = getuid();
        if (!user)
                return CLI_OK;
        if (known) {
                *ret_user = known->pw_uid;
                return CLI_OK;
        }
        errno = 0;
        number = strtoul(user, &end, 10);
        if (errno || *end || *user < '0' || *user > '9' || number >= UINT32_MAX) {
                cli_complain("'%s' is no user: expected a name of the user database, or a number",
                             user);
                return CLI_USAGE;
        }
        *ret_user = (uint32_t)number;
        return CLI_OK;
}

/* Of another flow no rule asks for it. */
static int parse_local_end(struct nx_judged_flow *flow)
{
        if ((local_address || local_port) && !is_inbound) {
                cli_complain("--local and --local-port are about flows that others begin: expected "
                             "--inbound");
                return CLI_USAGE;
        }
        flow->local_address = local_address;
        return local_port ? parse_port(local_port, &flow->local_port) : CLI_OK;
}

static const char *text_of(const struct nx_properties *session, const char *key)
{
        return nx_properties_get_string(session, key) ?: "";
}

static bool is_proxy(const struct nx_properties *session)
{
        return strcmp(text_of(session, "kind"), "filter") != 0;
}

/* Of a proxy, to be asked is to be offered the flow. */
static const char *outcome_of(const struct nx_properties *session)
{
        const char *action = text_of(session, "action");

        if (is_proxy(session))
                return strcmp(action, "ask") == 0 ? "offered" : "not taken";
        return action;
}

static void add_outcome(struct table *table, const struct nx_properties *session)
{
        const char *outcome = outcome_of(session);
        enum table_colour colour = strcmp(outcome, "deny") == 0    ? TABLE_RED
                                   : strcmp(outcome, "allow") == 0 ? TABLE_GREEN
                                                                   : TABLE_PLAIN;

        table_add_coloured(table, colour, outcome);
}

/* "web.rules:3: allow port 443"; a rule that its extension gave no name is its own. */
static char *rule_text(const struct nx_properties *session, const char *clauses)
{
        const char *label = text_of(session, "label");

        if (*label)
                return cli_format("%s: %s %s", label, text_of(session, "action"), clauses);
        return cli_format("a rule of its own%s%s", *clauses ? ": " : "", clauses);
}

static void add_why(struct table *table, const struct nx_properties *session)
{
        const char *reason = text_of(session, "reason"), *kept = text_of(session, "answer_verdict");
        _cleanup_free_ char *clauses = rule_clauses(session), *answer = NULL;
        _cleanup_free_ char *rule = rule_text(session, clauses);

        if (*kept)
                answer = cli_format("; answer %" PRIu64 " is kept: %s",
                                    nx_properties_get_uint64(session, "answer"), kept);
        else
                answer = cli_format("%s", "");
        if (nx_properties_get_bool(session, "wants_digest"))
                table_add(table, "depends on what is in the program's file");
        else if (strcmp(reason, "rule") == 0)
                table_add_taken(table, cli_format("%s%s", rule, answer));
        else if (strcmp(reason, "default-action") == 0)
                table_add_taken(table, cli_format("no rule matches: its default%s", answer));
        else if (strcmp(reason, "remembered") == 0)
                table_add(table, "its extension has answered for such flows");
        else if (strcmp(reason, "loopback") == 0)
                table_add(table, "a flow of this host to itself");
        else
                table_add(table, "it has no rules about such flows");
}

static const struct writer_column columns[] = {
        { "SESSION", "session_name" },
        { "OUTCOME", .fn = add_outcome },
        { "WHY", .fn = add_why },
        {},
};

static int judge(struct cli *cli, const struct nx_judged_flow *flow)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        _cleanup_list_ struct nx_list *sessions = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_judge_flow(manager, flow, &sessions))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(cli->json, sessions, columns, "No session looks at flows: it would pass.");
        return CLI_OK;
}

int verb_rules_why(struct cli *cli)
{
        _cleanup_free_ char *program = realpath(cli->arguments[0], NULL);
        struct nx_judged_flow flow = {
                NX_JUDGED_FLOW_INIT,
                .host = cli->arguments[1],
        };
        int r;

        if (is_udp)
                flow.protocol = IPPROTO_UDP;
        if (is_inbound)
                flow.direction = NX_DIRECTION_INBOUND;
        flow.program = program ?: cli->arguments[0];
        if (*flow.program != '/') {
                cli_complain("'%s' is not the path of a program", flow.program);
                return CLI_USAGE;
        }
        r = parse_port(cli->arguments[2], &flow.port);
        if (r == CLI_OK)
                r = parse_local_end(&flow);
        if (r == CLI_OK)
                r = parse_user(&flow.user);
        return r == CLI_OK ? judge(cli, &flow) : r;
}
