/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: extensions/firewall/rules.c extensions/common/lines.c extensions/common/match.c */
/* fuzz-sources: extensions/common/dpkg.c extensions/common/package.c */
/* fuzz-sources: extensions/common/problems.c */
/* fuzz-sources: extensions/common/rpm.c extensions/common/texts.c */
/* fuzz-sources: extensions/common/values.c */
/* fuzz-sources: extensions/common/words.c */

/*
 * A rule file. Either it has problems, each with a place inside the file and a printable
 * sentence, or every rule is one that the platform could take.
 */

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/package.h"
#include "firewall/rules.h"

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

static bool is_network(const char *text)
{
        char address[INET6_ADDRSTRLEN] = "", *slash;
        uint8_t bytes[16];

        require(strlen(text) < sizeof(address) + 4);
        strncpy(address, text, sizeof(address) - 1);
        slash = strchr(address, '/');
        if (slash)
                *slash = '\0';
        return inet_pton(AF_INET, address, bytes) == 1 || inet_pton(AF_INET6, address, bytes) == 1;
}

static void check_rule(const struct rule *rule, unsigned int n_lines)
{
        require(rule->line >= 1 && rule->line <= n_lines);
        require(rule->action == NX_FILTER_ACTION_ALLOW || rule->action == NX_FILTER_ACTION_DROP ||
                rule->action == NX_FILTER_ACTION_FILTER_DATA);
        require(rule->match.port_first <= rule->match.port_last);
        require((rule->match.port_first == 0) == (rule->match.port_last == 0));
        require(!rule->match.program ||
                (rule->match.program[0] == '/' && strlen(rule->match.program) <= WORD_MAX));
        require(rule->match.local_port_first <= rule->match.local_port_last);
        require(!rule->match.local_network || is_network(rule->match.local_network));
        require(rule->match.direction == NX_DIRECTION_INBOUND ||
                (!rule->match.local_network && !rule->match.local_port_last));
        require(!!rule->match.network + !!rule->match.domain + !!rule->match.set <= 1);
        require(!rule->match.digest || strlen(rule->match.digest) == strlen("sha256:") + 64);
        require(!rule->match.cgroup || (rule->match.cgroup[0] == '/' && rule->match.cgroup[1]));
        require(!rule->match.unit ||
                (rule->match.unit[0] != '.' && !strchr(rule->match.unit, '/')));
        require(!rule->match.inode || strlen(rule->match.inode) <= 39);
        require(!rule->match.signer || strlen(rule->match.signer) <= 32 + 1 + 128);
        require(!rule->match.started_by || rule->match.started_by[0] == '/');
        require(!rule->match.package || package_is_name(rule->match.package));
        require(!rule->match.set || (rule->match.set[0] && strlen(rule->match.set) <= 40));
        require(!rule->match.network || is_network(rule->match.network));
        require(!rule->match.domain ||
                (rule->match.domain[0] && strlen(rule->match.domain) <= 253));
        require(!rule->match.user || rule->match.uid == NX_ANY_USER);
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
        require(rules->ask_timeout_ms > 0 && rules->ask_timeout_ms <= NX_ASK_TIMEOUT_MS_MAX);
        for (size_t i = 0; i < rules->n_rules; i++)
                check_rule(&rules->rules[i], n_lines);
        return 0;
}
