/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: extensions/relay/rule/rules.c extensions/relay/rule/upstream.c */
/* fuzz-sources: extensions/relay/rule/decide.c extensions/relay/rule/address.c */
/* fuzz-sources: extensions/common/lines.c extensions/common/match.c */
/* fuzz-sources: extensions/common/dpkg.c extensions/common/package.c extensions/common/problems.c */
/* fuzz-sources: extensions/common/rpm.c extensions/common/texts.c */
/* fuzz-sources: extensions/common/values.c */
/* fuzz-sources: extensions/common/words.c */

/*
 * A rule file of the relay. Either it has problems, each with a place inside the file and a
 * printable sentence, or every rule leads somewhere, and one of them decides any flow.
 */

#include <stdlib.h>
#include <string.h>

#include "relay/rule/decide.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void check_problems(const struct problems *problems, unsigned int n_lines)
{
        require(problems->n > 0);
        for (size_t i = 0; i < problems->n && i < PROBLEMS_MAX; i++) {
                const struct problem *problem = &problems->first[i];

                require(problem->at.line >= 1 && problem->at.line <= n_lines);
                require(problem->at.column >= 1);
                require(problem->text[0] != '\0');
                for (const char *c = problem->text; *c; c++)
                        require(*c >= ' ' && *c <= '~');
        }
}

static void check_upstream(const struct rules *rules, const struct upstream *upstream)
{
        require(rules_find_upstream(rules, upstream->name) == upstream);
        require(upstream->name[0] && strlen(upstream->name) <= UPSTREAM_NAME_MAX);
        require((upstream->address.port > 0) == (upstream->kind != UPSTREAM_TUNNEL));
        require(!upstream->credentials || upstream->credentials[0]);
}

static void check_rule(const struct rules *rules, struct rule *rule)
{
        size_t index;

        require(rule->match.port_first <= rule->match.port_last);
        require(rule->match.protocol != IPPROTO_UDP);
        require((rule->route.way == WAY_UPSTREAM) == (rule->route.upstream != NULL));
        if (rule->route.upstream) {
                index = (size_t)(rule->route.upstream - rules->upstreams);
                require(index < rules->n_upstreams);
        }
        network_parse(&rule->network, rule->match.network);
        require(rule->network.prefix <= 128);
        require(network_contains(&rule->network, &rule->network.host) || !rule->match.network);
        require(decide_may_both_match(rule, &rules->fallback));
}

static void check_decision(const struct rules *rules)
{
        struct subject subject = { .uid = 1000, .program = "/usr/bin/curl" };
        const struct rule *rule;

        subject.hostname = "www.example.org";
        require(address_parse(&subject.remote, "198.18.0.2", 443));
        rule = decide(rules, &subject);
        require(rule == &rules->fallback || (size_t)(rule - rules->rules) < rules->n_rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_rules_ struct rules *rules = NULL;
        struct problems problems = {};
        unsigned int n_lines = 1;
        int r;

        for (size_t i = 0; i < size; i++)
                n_lines += data[i] == '\n';
        r = rules_parse(&rules, (const char *)data, size, &problems);
        require(r == 0 || r == RULES_E_INVALID);
        if (r == RULES_E_INVALID) {
                require(!rules);
                check_problems(&problems, n_lines);
                return 0;
        }
        require(problems.n == 0 && rules->n_rules <= RULES_MAX);
        require(rules->timeout_s >= 1 && rules->handshakes_max >= 1);
        for (size_t i = 0; i < rules->n_upstreams; i++)
                check_upstream(rules, &rules->upstreams[i]);
        for (size_t i = 0; i < rules->n_rules; i++)
                check_rule(rules, &rules->rules[i]);
        check_decision(rules);
        return 0;
}
