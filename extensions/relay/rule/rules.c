/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One line, one statement. Upstreams may stand behind the rules that name them, so names
 * are looked up when the last line was read. A file with any problem gives no rules at all.
 */

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "relay/rule/rules.h"

struct parser {
        struct words words;
        struct problems *problems;                                               /* borrowed */
        struct rules *rules;                                                     /* borrowed */
        unsigned int default_line, loopback_line, timeout_line, handshakes_line; /* 0: not seen */
};

enum statement {
        STATEMENT_UPSTREAM,
        STATEMENT_VIA,
        STATEMENT_DIRECT,
        STATEMENT_IGNORE,
        STATEMENT_DEFAULT,
        STATEMENT_LOOPBACK,
        STATEMENT_TIMEOUT,
        STATEMENT_HANDSHAKES,
};

static const struct choice statements[] = {
        { "upstream", STATEMENT_UPSTREAM },
        { "via", STATEMENT_VIA },
        { "direct", STATEMENT_DIRECT },
        { "ignore", STATEMENT_IGNORE },
        { "default", STATEMENT_DEFAULT },
        { "loopback", STATEMENT_LOOPBACK },
        { "timeout", STATEMENT_TIMEOUT },
        { "handshakes", STATEMENT_HANDSHAKES },
        {},
};

static const struct choice ways[] = {
        { "via", WAY_UPSTREAM },
        { "direct", WAY_DIRECT },
        { "ignore", WAY_IGNORE },
        {},
};

static const struct choice clauses[] = {
        { "program", CLAUSE_PROGRAM },
        { "package", CLAUSE_PACKAGE },
        { "digest", CLAUSE_DIGEST },
        { "signer", CLAUSE_SIGNER },
        { "cgroup", CLAUSE_CGROUP },
        { "unit", CLAUSE_UNIT },
        { "user", CLAUSE_USER },
        { "to", CLAUSE_TO },
        { "port", CLAUSE_PORT },
        { "protocol", CLAUSE_PROTOCOL },
        {},
};

/* Makes room for one more element, 64 at a time. */
static int grow(void **array, size_t n, size_t size)
{
        void *grown;

        if (n % 64 != 0)
                return 0;
        grown = reallocarray(*array, n + 64, size);
        if (!grown)
                return -ENOMEM;
        *array = grown;
        return 0;
}

static int check_room(struct parser *parser, const struct word *keyword, size_t n, int max)
{
        if (n < (size_t)max)
                return 0;
        problems_add(parser->problems, keyword->at, "one %s too many: expected at most %d",
                     max == UPSTREAMS_MAX ? "upstream" : "rule", max);
        return RULES_E_INVALID;
}

static int check_new_name(struct parser *parser, const struct word *keyword,
                          const struct upstream *added)
{
        const struct upstream *other = rules_find_upstream(parser->rules, added->name);

        if (other == added)
                return 0;
        problems_add(parser->problems, keyword->at,
                     "an upstream '%s' stands in line %u already: expected another name",
                     added->name, other->line);
        return RULES_E_INVALID;
}

static int parse_upstream(struct parser *parser, const struct word *keyword)
{
        struct rules *rules = parser->rules;
        struct upstream *upstream;
        int r;

        r = check_room(parser, keyword, rules->n_upstreams, UPSTREAMS_MAX);
        if (r == 0)
                r = grow((void **)&rules->upstreams, rules->n_upstreams, sizeof(*upstream));
        if (r)
                return r;
        upstream = &rules->upstreams[rules->n_upstreams++];
        *upstream = (struct upstream){ .line = keyword->at.line };
        r = upstream_parse(&parser->words, upstream);
        return r ? r : check_new_name(parser, keyword, upstream);
}

/* The upstream's name behind `via`. */
static int parse_route(struct parser *parser, enum way way, struct route *route)
{
        struct word word;
        int r;

        route->way = way;
        if (way != WAY_UPSTREAM)
                return 0;
        r = line_value(&parser->words, "via", &word);
        if (r == 0)
                r = upstream_parse_name(&word, parser->problems);
        if (r)
                return r;
        route->name_at = word.at;
        route->name = strdup(word.text);
        return route->name ? 0 : -ENOMEM;
}

/* Datagrams have no way through these upstreams. */
static int check_protocol(struct parser *parser, const struct match *match)
{
        if (match->protocol != IPPROTO_UDP)
                return 0;
        problems_add(parser->problems, match->protocol_at,
                     "'udp' is never relayed: expected tcp, or no rule");
        return RULES_E_INVALID;
}

static int parse_rule(struct parser *parser, const struct word *keyword, enum way way)
{
        struct rules *rules = parser->rules;
        struct rule *rule;
        int r;

        r = check_room(parser, keyword, rules->n_rules, RULES_MAX);
        if (r == 0)
                r = grow((void **)&rules->rules, rules->n_rules, sizeof(*rule));
        if (r)
                return r;
        rule = &rules->rules[rules->n_rules++];
        *rule = (struct rule){ .line = keyword->at.line, .match = MATCH_INIT };
        r = parse_route(parser, way, &rule->route);
        if (r == 0)
                r = line_clauses(&parser->words, clauses, &rule->match);
        return r ? r : check_protocol(parser, &rule->match);
}

static int parse_default(struct parser *parser, const struct word *keyword)
{
        struct rule *fallback = &parser->rules->fallback;
        int way = WAY_IGNORE, r;

        r = line_once(&parser->words, keyword, &parser->default_line);
        if (r == 0)
                r = line_choice(&parser->words, keyword->text, ways, "a way", &way);
        if (r == 0)
                r = parse_route(parser, (enum way)way, &fallback->route);
        fallback->line = keyword->at.line;
        return r ? r : line_end(&parser->words);
}

static int parse_loopback(struct parser *parser, const struct word *keyword)
{
        int include = false, r;

        r = line_setting(&parser->words, keyword, line_loopbacks, "a word about loopback",
                         &parser->loopback_line, &include);
        parser->rules->loopback = include;
        return r;
}

static int parse_number(struct parser *parser, const struct word *keyword, const char *what,
                        uint32_t max, unsigned int *seen_line, uint32_t *ret)
{
        struct word word;
        int r;

        r = line_once(&parser->words, keyword, seen_line);
        if (r == 0)
                r = line_value(&parser->words, keyword->text, &word);
        if (r == 0)
                r = value_number(&word, 1, max, what, parser->problems, ret);
        return r ? r : line_end(&parser->words);
}

static int parse_statement(const struct word *keyword, int statement, void *userdata)
{
        struct parser *parser = userdata;

        switch ((enum statement)statement) {
        case STATEMENT_UPSTREAM:
                return parse_upstream(parser, keyword);
        case STATEMENT_VIA:
                return parse_rule(parser, keyword, WAY_UPSTREAM);
        case STATEMENT_DIRECT:
                return parse_rule(parser, keyword, WAY_DIRECT);
        case STATEMENT_IGNORE:
                return parse_rule(parser, keyword, WAY_IGNORE);
        case STATEMENT_DEFAULT:
                return parse_default(parser, keyword);
        case STATEMENT_LOOPBACK:
                return parse_loopback(parser, keyword);
        case STATEMENT_TIMEOUT:
                return parse_number(parser, keyword, "a number of seconds", TIMEOUT_S_MAX,
                                    &parser->timeout_line, &parser->rules->timeout_s);
        case STATEMENT_HANDSHAKES:
                return parse_number(parser, keyword, "a number of handshakes", HANDSHAKES_MAX,
                                    &parser->handshakes_line, &parser->rules->handshakes_max);
        }
        return -EINVAL;
}

static void find_route(struct rules *rules, struct route *route, struct problems *problems)
{
        if (!route->name)
                return;
        route->upstream = rules_find_upstream(rules, route->name);
        if (!route->upstream)
                problems_add(problems, route->name_at,
                             "'%s' is not an upstream: expected the name of one, from a line "
                             "'upstream %s ...'",
                             route->name, route->name);
}

static void find_routes(struct rules *rules, struct problems *problems)
{
        for (size_t i = 0; i < rules->n_rules; i++)
                find_route(rules, &rules->rules[i].route, problems);
        find_route(rules, &rules->fallback.route, problems);
}

static struct rules *rules_new(void)
{
        struct rules *rules = calloc(1, sizeof(*rules));

        if (!rules)
                return NULL;
        rules->fallback.match = (struct match)MATCH_INIT;
        rules->timeout_s = TIMEOUT_S_DEFAULT;
        rules->handshakes_max = HANDSHAKES_DEFAULT;
        return rules;
}

int rules_parse(struct rules **ret_rules, const char *text, size_t size, struct problems *problems)
{
        _cleanup_rules_ struct rules *rules = rules_new();
        struct parser parser = { .problems = problems, .rules = rules };
        int r;

        if (!rules)
                return -ENOMEM;
        words_init(&parser.words, text, size, problems);
        r = lines_read(&parser.words, statements, parse_statement, &parser);
        if (r) /* with a faulty upstream, what names it would be a problem that is none */
                return r;
        find_routes(rules, problems);
        if (problems->n > 0)
                return RULES_E_INVALID;
        *ret_rules = rules;
        rules = NULL;
        return 0;
}

int rules_resolve(struct rules *rules, struct problems *problems, struct problems *remarks)
{
        for (size_t i = 0; i < rules->n_rules; i++) {
                struct rule *rule = &rules->rules[i];
                int r;

                r = match_resolve(&rule->match, problems, remarks);
                if (r < 0)
                        return r;
                network_parse(&rule->network, rule->match.network);
        }
        return problems->n > 0 ? RULES_E_INVALID : 0;
}

const struct upstream *rules_find_upstream(const struct rules *rules, const char *name)
{
        for (size_t i = 0; i < rules->n_upstreams; i++)
                if (rules->upstreams[i].name && strcmp(rules->upstreams[i].name, name) == 0)
                        return &rules->upstreams[i];
        return NULL;
}

static void rule_deinit(struct rule *rule)
{
        free(rule->route.name);
        match_deinit(&rule->match);
}

struct rules *rules_free(struct rules *rules)
{
        if (!rules)
                return NULL;
        for (size_t i = 0; i < rules->n_upstreams; i++)
                upstream_deinit(&rules->upstreams[i]);
        for (size_t i = 0; i < rules->n_rules; i++)
                rule_deinit(&rules->rules[i]);
        rule_deinit(&rules->fallback);
        free(rules->upstreams);
        free(rules->rules);
        free(rules);
        return NULL;
}
