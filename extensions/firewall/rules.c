/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One line, one statement: its first word says which, and a table of choices says what
 * may come next. A line with a problem is left at the problem and the next one is
 * read, so that a person sees all of them (the first ten) at once; a file with any problem
 * gives no rules at all.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "firewall/values.h"

struct parser {
        struct words words;
        struct problems *problems;                /* borrowed */
        struct rules *rules;                      /* borrowed */
        unsigned int default_line, loopback_line; /* 0: not seen yet */
};

enum statement {
        STATEMENT_ALLOW,
        STATEMENT_DENY,
        STATEMENT_DEFAULT,
        STATEMENT_LOOPBACK,
};

static const struct choice statements[] = {
        { "allow", STATEMENT_ALLOW },
        { "deny", STATEMENT_DENY },
        { "default", STATEMENT_DEFAULT },
        { "loopback", STATEMENT_LOOPBACK },
        {},
};

enum clause {
        CLAUSE_PROGRAM,
        CLAUSE_USER,
        CLAUSE_TO,
        CLAUSE_PORT,
        CLAUSE_PROTOCOL,
        CLAUSE_DIRECTION,
};

static const struct choice clauses[] = {
        { "program", CLAUSE_PROGRAM },
        { "user", CLAUSE_USER },
        { "to", CLAUSE_TO },
        { "port", CLAUSE_PORT },
        { "protocol", CLAUSE_PROTOCOL },
        { "direction", CLAUSE_DIRECTION },
        {},
};

static const struct choice actions[] = {
        { "allow", NX_FILTER_ACTION_ALLOW },
        { "deny", NX_FILTER_ACTION_DROP },
        {},
};

static const struct choice loopbacks[] = {
        { "exclude", false },
        { "include", true },
        {},
};

static const struct choice protocols[] = {
        { "tcp", IPPROTO_TCP },
        { "udp", IPPROTO_UDP },
        {},
};

static const struct choice directions[] = {
        { "inbound", NX_DIRECTION_INBOUND },
        { "outbound", NX_DIRECTION_OUTBOUND },
        { "any", NX_DIRECTION_ANY },
        {},
};

/* The word that keyword asks for. */
static int next_value(struct parser *parser, const char *keyword, struct word *ret)
{
        int r;

        r = words_next(&parser->words, ret);
        if (r == WORDS_WORD)
                return 0;
        if (r == WORDS_END)
                problems_add(parser->problems, ret->at, "nothing behind '%s': expected its value",
                             keyword);
        return RULES_E_INVALID;
}

static int expect_end(struct parser *parser)
{
        char shown[WORD_SHOWN_SIZE];
        struct word word;
        int r;

        r = words_next(&parser->words, &word);
        if (r == WORDS_END)
                return 0;
        if (r == WORDS_WORD)
                problems_add(parser->problems, word.at, "'%s' is too much: expected the line's end",
                             word_show(&word, shown));
        return RULES_E_INVALID;
}

static int parse_choice(struct parser *parser, const char *keyword, const struct choice *choices,
                        const char *what, int *ret)
{
        struct word word;
        int r;

        r = next_value(parser, keyword, &word);
        if (r)
                return r;
        return value_choice(&word, choices, what, parser->problems, ret);
}

/* `default` and `loopback`: a choice for the whole file, at most once. */
static int parse_setting(struct parser *parser, const struct word *keyword,
                         const struct choice *choices, const char *what, unsigned int *seen_line,
                         int *ret)
{
        int r;

        if (*seen_line) {
                problems_add(parser->problems, keyword->at,
                             "'%s' stands in line %u already: expected it once", keyword->text,
                             *seen_line);
                return RULES_E_INVALID;
        }
        *seen_line = keyword->at.line;
        r = parse_choice(parser, keyword->text, choices, what, ret);
        return r ? r : expect_end(parser);
}

static int parse_default(struct parser *parser, const struct word *keyword)
{
        int action = NX_FILTER_ACTION_ALLOW, r;

        r = parse_setting(parser, keyword, actions, "an action", &parser->default_line, &action);
        parser->rules->default_action = (enum nx_filter_action)action;
        return r;
}

static int parse_loopback(struct parser *parser, const struct word *keyword)
{
        int include = false, r;

        r = parse_setting(parser, keyword, loopbacks, "a word about loopback",
                          &parser->loopback_line, &include);
        parser->rules->loopback = include;
        return r;
}

static int parse_destination(struct parser *parser, struct rule *rule)
{
        struct word word;
        int r;

        r = next_value(parser, "to", &word);
        if (r)
                return r;
        if (!word_is(&word, "domain"))
                return value_destination(&word, rule, parser->problems);
        r = next_value(parser, "domain", &word);
        return r ? r : value_domain(&word, rule, parser->problems);
}

static int parse_value(struct parser *parser, const char *keyword, struct rule *rule,
                       int (*value)(const struct word *, struct rule *, struct problems *))
{
        struct word word;
        int r;

        r = next_value(parser, keyword, &word);
        return r ? r : value(&word, rule, parser->problems);
}

static int parse_protocol(struct parser *parser, struct rule *rule)
{
        return parse_choice(parser, "protocol", protocols, "a protocol", &rule->protocol);
}

static int parse_direction(struct parser *parser, struct rule *rule)
{
        int direction, r;

        r = parse_choice(parser, "direction", directions, "a direction", &direction);
        if (r == 0)
                rule->direction = (enum nx_direction)direction;
        return r;
}

static int parse_clause(struct parser *parser, enum clause clause, struct rule *rule)
{
        switch (clause) {
        case CLAUSE_PROGRAM:
                return parse_value(parser, "program", rule, value_program);
        case CLAUSE_USER:
                return parse_value(parser, "user", rule, value_user);
        case CLAUSE_TO:
                return parse_destination(parser, rule);
        case CLAUSE_PORT:
                return parse_value(parser, "port", rule, value_port);
        case CLAUSE_PROTOCOL:
                return parse_protocol(parser, rule);
        case CLAUSE_DIRECTION:
                return parse_direction(parser, rule);
        }
        return -EINVAL;
}

static int parse_clauses(struct parser *parser, struct rule *rule)
{
        unsigned int seen = 0;
        struct word word;
        int clause = 0, r;

        while ((r = words_next(&parser->words, &word)) == WORDS_WORD) {
                r = value_choice(&word, clauses, "a clause", parser->problems, &clause);
                if (r)
                        return r;
                if (seen & 1U << clause) {
                        problems_add(parser->problems, word.at,
                                     "'%s' stands twice: expected each clause at most once",
                                     word.text);
                        return RULES_E_INVALID;
                }
                seen |= 1U << clause;
                r = parse_clause(parser, (enum clause)clause, rule);
                if (r)
                        return r;
        }
        return r == WORDS_END ? 0 : RULES_E_INVALID;
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
        **ret = (struct rule){ .uid = NX_ANY_USER };
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
        return parse_clauses(parser, rule);
}

static int parse_line(struct parser *parser)
{
        struct word word;
        int statement, r;

        r = words_next(&parser->words, &word);
        if (r == WORDS_END)
                return 0;
        if (r == WORDS_E_INVALID)
                return RULES_E_INVALID;
        r = value_choice(&word, statements, "the start of a line", parser->problems, &statement);
        if (r)
                return r;
        switch ((enum statement)statement) {
        case STATEMENT_ALLOW:
                return parse_rule(parser, &word, NX_FILTER_ACTION_ALLOW);
        case STATEMENT_DENY:
                return parse_rule(parser, &word, NX_FILTER_ACTION_DROP);
        case STATEMENT_DEFAULT:
                return parse_default(parser, &word);
        case STATEMENT_LOOPBACK:
                return parse_loopback(parser, &word);
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
        if (size > RULES_FILE_MAX) {
                problems_add(problems, (struct position){ 1, 1 },
                             "the file is too large: expected at most 1 MiB");
                return RULES_E_INVALID;
        }
        words_init(&parser.words, text, size, problems);
        while (words_next_line(&parser.words)) {
                r = parse_line(&parser);
                if (r < 0)
                        return r;
        }
        if (problems->n > 0)
                return RULES_E_INVALID;
        *ret_rules = rules;
        rules = NULL;
        return 0;
}

struct rules *rules_free(struct rules *rules)
{
        if (!rules)
                return NULL;
        for (size_t i = 0; i < rules->n_rules; i++) {
                free(rules->rules[i].program);
                free(rules->rules[i].user);
                free(rules->rules[i].network);
                free(rules->rules[i].domain);
        }
        free(rules->rules);
        free(rules);
        return NULL;
}
