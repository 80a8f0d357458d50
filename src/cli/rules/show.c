/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl rules show: the rules that are in force, session by session, in the order in which they
 * are tried. */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"
#include "cli/output/writer.h"
#include "cli/rules/rule.h"

static void add_label(struct table *table, const struct nx_properties *rule)
{
        const char *label = nx_properties_get_string(rule, "label");

        table_add(table, nx_properties_has(rule, "loopback") ? "default" : label);
}

static void add_clauses(struct table *table, const struct nx_properties *rule)
{
        if (!nx_properties_has(rule, "loopback"))
                table_add_taken(table, rule_clauses(rule));
        else
                table_add(table, nx_properties_get_bool(rule, "loopback")
                                         ? "(what this host says to itself is looked at, too)"
                                         : "(what this host says to itself is left alone)");
}

static const struct writer_column columns[] = {
        { "RULE", .fn = add_label },
        { "ACTION", "action" },
        { "DECIDED", "flows" },
        { "FLOWS", .fn = add_clauses },
        {},
};

static int list(struct nx_manager *manager, const char *session, struct nx_list **ret_rules)
{
        return nx_manager_list_rules(manager, session, ret_rules)
                       ? cli_complain("%s", nx_manager_get_error(manager))
                       : CLI_OK;
}

static int show_one(struct cli *cli, struct nx_manager *manager, const char *session)
{
        _cleanup_list_ struct nx_list *rules = NULL;
        int r = list(manager, session, &rules);

        if (r == CLI_OK)
                writer_list(cli->json, rules, columns,
                            "It has no rules: its extension is asked about each outbound flow.");
        return r;
}

static int show_titled(struct cli *cli, struct nx_manager *manager, const char *session,
                       struct emitter *json)
{
        _cleanup_list_ struct nx_list *rules = NULL;
        int r = list(manager, session, &rules);

        if (r != CLI_OK)
                return r;
        if (cli->json) {
                emit_begin(json, NULL, '{');
                emit_string(json, "session", session);
                emit_list(json, "rules", rules);
                emit_end(json, '}');
                return CLI_OK;
        }
        escape_text(stdout, session);
        putchar('\n');
        writer_table(stdout, rules, columns, 2,
                     "It has no rules: its extension is asked about each outbound flow.");
        return CLI_OK;
}

static int show_all(struct cli *cli, struct nx_manager *manager)
{
        _cleanup_list_ struct nx_list *chain = NULL;
        struct emitter json = EMITTER_INIT(stdout);
        int r = CLI_OK;

        if (nx_manager_get_chain(manager, &chain))
                return cli_complain("%s", nx_manager_get_error(manager));
        if (cli->json)
                emit_begin(&json, NULL, '[');
        else if (nx_list_get_count(chain) == 0)
                puts("No session.");
        for (size_t i = 0; r == CLI_OK && i < nx_list_get_count(chain); i++)
                r = show_titled(cli, manager,
                                nx_properties_get_string(nx_list_get(chain, i), "session") ?: "",
                                &json);
        if (cli->json)
                emit_end(&json, ']');
        return r;
}

int verb_rules_show(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);

        if (!manager)
                return CLI_FAILED;
        return cli->n_arguments ? show_one(cli, manager, cli->arguments[0])
                                : show_all(cli, manager);
}
