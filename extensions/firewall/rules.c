/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One line, one statement: its first word says which, and a table of choices says what
 * may come next. A file with any problem gives no rules at all.
 */

#include <errno.h>
#include <stdlib.h>

#include "common/lines.h"
#include "firewall/rules.h"

struct parser {
        struct words words;
        struct problems *problems;                                  /* borrowed */
        struct rules *rules;                                        /* borrowed */
        unsigned int default_line, loopback_line, ask_timeout_line; /* 0: not seen yet */
};

enum statement {
        STATEMENT_ALLOW,
        STATEMENT_DENY,
        STATEMENT_ASK,
        STATEMENT_ASK_TIMEOUT,
        STATEMENT_DEFAULT,
        STATEMENT_LOOPBACK,
};

static const struct choice statements[] = {
        { "allow", STATEMENT_ALLOW },
        { "deny", STATEMENT_DENY },
        { "ask", STATEMENT_ASK },
        { "ask-timeout", STATEMENT_ASK_TIMEOUT },
        { "default", STATEMENT_DEFAULT },
        { "loopback", STATEMENT_LOOPBACK },
        {},
};

static const struct choice clauses[] = {
        { "program", CLAUSE_PROGRAM },
        { "started-by", CLAUSE_STARTED_BY },
        { "package", CLAUSE_PACKAGE },
        { "digest", CLAUSE_DIGEST },
        { "inode", CLAUSE_INODE },
        { "signer", CLAUSE_SIGNER },
        { "cgroup", CLAUSE_CGROUP },
        { "unit", CLAUSE_UNIT },
        { "user", CLAUSE_USER },
        { "to", CLAUSE_TO },
        { "port", CLAUSE_PORT },
        { "local", CLAUSE_LOCAL },
        { "local-port", CLAUSE_LOCAL_PORT },
        { "protocol", CLAUSE_PROTOCOL },
        { "direction", CLAUSE_DIRECTION },
        {},
};

static const struct choice actions[] = {
        { "allow", NX_FILTER_ACTION_ALLOW },
        { "deny", NX_FILTER_ACTION_DROP },
        { "ask", NX_FILTER_ACTION_FILTER_DATA },
        {},
};

static int parse_default(struct parser *parser, const struct word *keyword)
{
        int action = NX_FILTER_ACTION_ALLOW, r;

        r = line_setting(&parser->words, keyword, actions, "an action", &parser->default_line,
                         &action);
        parser->rules->default_action = (enum nx_filter_action)action;
        return r;
}

static int parse_loopback(struct parser *parser, const struct word *keyword)
{
        int include = false, r;

        r = line_setting(&parser->words, keyword, line_loopbacks, "a word about loopback",
                         &parser->loopback_line, &include);
        parser->rules->loopback = include;
        return r;
}

static int parse_ask_timeout(struct parser *parser, const struct word *keyword)
{
        struct word word;
        uint32_t seconds;
        int r;

        r = line_once(&parser->words, keyword, &parser->ask_timeout_line);
        if (r == 0)
                r = line_value(&parser->words, keyword->text, &word);
        if (r == 0)
                r = value_number(&word, 1, NX_ASK_TIMEOUT_MS_MAX / 1000, "a number of seconds",
                                 parser->problems, &seconds);
        if (r)
                return r;
        parser->rules->ask_timeout_ms = seconds * 1000;
        return line_end(&parser->words);
}

/* Makes room for one more rule; it belongs to the list from here on, whatever becomes of it. */
static int append_rule(struct parser *parser, struct rule **ret)
{
        struct rules *rules = parser->rules;
        struct rule *grown;

        if (rules->n_rules % 64 == 0) {
                grown = reallocarray(rules->rules, rules->n_rules + 64, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                rules->rules = grown;
        }
        *ret = &rules->rules[rules->n_rules++];
        **ret = (struct rule){ .match = MATCH_INIT };
        return 0;
}

static int parse_rule(struct parser *parser, const struct word *keyword,
                      enum nx_filter_action action)
{
        struct rule *rule;
        int r;

        if (parser->rules->n_rules == RULES_MAX) {
                problems_add(parser->problems, keyword->at,
                             "one rule too many: expected at most %d", RULES_MAX);
                return RULES_E_INVALID;
        }
        r = append_rule(parser, &rule);
        if (r)
                return r;
        rule->line = keyword->at.line;
        rule->action = action;
        return line_clauses(&parser->words, clauses, &rule->match);
}

static int parse_statement(const struct word *keyword, int statement, void *userdata)
{
        struct parser *parser = userdata;

        switch ((enum statement)statement) {
        case STATEMENT_ALLOW:
                return parse_rule(parser, keyword, NX_FILTER_ACTION_ALLOW);
        case STATEMENT_DENY:
                return parse_rule(parser, keyword, NX_FILTER_ACTION_DROP);
        case STATEMENT_ASK:
                return parse_rule(parser, keyword, NX_FILTER_ACTION_FILTER_DATA);
        case STATEMENT_ASK_TIMEOUT:
                return parse_ask_timeout(parser, keyword);
        case STATEMENT_DEFAULT:
                return parse_default(parser, keyword);
        case STATEMENT_LOOPBACK:
                return parse_loopback(parser, keyword);
        }
        return -EINVAL;
}

int rules_parse(struct rules **ret_rules, const char *text, size_t size, struct problems *problems)
{
        _cleanup_rules_ struct rules *rules = calloc(1, sizeof(*rules));
        struct parser parser = { .problems = problems, .rules = rules };
        int r;

        if (!rules)
                return -ENOMEM;
        rules->default_action = NX_FILTER_ACTION_ALLOW;
        rules->ask_timeout_ms = NX_ASK_TIMEOUT_MS;
        words_init(&parser.words, text, size, problems);
        r = lines_read(&parser.words, statements, parse_statement, &parser);
        if (r)
                return r;
        *ret_rules = rules;
        rules = NULL;
        return 0;
}

int rules_resolve(struct rules *rules, struct problems *problems, struct problems *remarks)
{
        for (size_t i = 0; i < rules->n_rules; i++) {
                int r;

                r = match_resolve(&rules->rules[i].match, problems, remarks);
                if (r < 0)
                        return r;
        }
        return problems->n > 0 ? RULES_E_INVALID : 0;
}

struct rules *rules_free(struct rules *rules)
{
        if (!rules)
                return NULL;
        for (size_t i = 0; i < rules->n_rules; i++)
                match_deinit(&rules->rules[i].match);
        free(rules->rules);
        free(rules);
        return NULL;
}
