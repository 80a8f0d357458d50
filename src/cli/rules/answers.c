/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl rules answers and rules forget: what people have answered for longer than once. */

#include <errno.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/flow.h"
#include "cli/output/writer.h"
#include "cli/rules/rule.h"

#include <netext/prompt.h>

static void add_action(struct table *table, const struct nx_properties *answer)
{
        const char *verdict = nx_properties_get_string(answer, "verdict") ?: "";

        table_add(table, strcmp(verdict, "allow") == 0 ? "allow" : "deny");
}

static void add_clauses(struct table *table, const struct nx_properties *answer)
{
        table_add_taken(table, answer_clauses(answer));
}

static void add_given(struct table *table, const struct nx_properties *answer)
{
        table_add_taken(table, time_and_date(nx_properties_get_uint64(answer, "given_ns")));
}

static const struct writer_column columns[] = {
        { "ANSWER", "answer" },
        { "SESSION", "session_name" },
        { "GIVEN", .fn = add_given },
        { "FOR", "lifetime" },
        { "ACTION", .fn = add_action },
        { "FLOWS", .fn = add_clauses },
        {},
};

int verb_rules_answers(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        _cleanup_list_ struct nx_list *answers = NULL;

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_list_answers(manager, &answers))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(cli->json, answers, columns, "No answer is kept.");
        return CLI_OK;
}

int verb_rules_forget(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = NULL;
        const char *word = cli->arguments[0];
        uint64_t number;
        char *end;

        errno = 0;
        number = strtoull(word, &end, 10);
        if (errno || *end || *word < '0' || *word > '9') {
                cli_complain("'%s' is not an answer's number; 'netextctl rules answers' shows them",
                             word);
                return CLI_USAGE;
        }
        manager = cli_open(cli->instance);
        if (!manager)
                return CLI_FAILED;
        if (nx_manager_forget_answer(manager, number))
                return cli_complain("%s", nx_manager_get_error(manager));
        return CLI_OK;
}
