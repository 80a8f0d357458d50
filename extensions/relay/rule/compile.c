/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From first-match rules to settings in which what is excluded wins.
 *
 *   via, direct   included; and so is everything, if the default is one of them
 *   ignore        excluded, if no earlier rule for via or direct may match the same flow:
 *                 that one would have to win. Otherwise nothing is said about it: its
 *                 flows come if another rule includes them, and are declined by decide().
 *
 * So the kernel never keeps a flow from us that a rule wants, and `ignore` in front costs
 * nothing at all. What is in a set is for the kernel alone to know, so one can only stand
 * where the kernel decides: in an `ignore` that can be excluded.
 */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "relay/rule/compile.h"
#include "relay/rule/decide.h"

static bool can_be_excluded(const struct rules *rules, size_t index)
{
        for (size_t i = 0; i < index; i++)
                if (rules->rules[i].route.way != WAY_IGNORE &&
                    decide_may_both_match(&rules->rules[i], &rules->rules[index]))
                        return false;
        return true;
}

static int add_rule(struct nx_proxy_settings *settings, const struct rule *rule, const char *path,
                    struct problems *problems)
{
        char label[LABEL_SIZE];
        int r = 0;

        match_write_label(label, path, rule->line);
        for (size_t i = 0; i < match_n_rules(&rule->match) && r == 0; i++) {
                struct nx_rule matched = match_to_rule(&rule->match, i, label);

                matched.protocol = IPPROTO_TCP;
                r = rule->route.way == WAY_IGNORE ? nx_proxy_settings_exclude(settings, &matched)
                                                  : nx_proxy_settings_include(settings, &matched);
        }
        if (r == 0 || r == -ENOMEM)
                return r;
        problems_add(problems, (struct position){ rule->line, 1 },
                     "the platform does not take this rule: %s", strerror(-r));
        return RULES_E_INVALID;
}

static void cleanup_settings(struct nx_proxy_settings **settings)
{
        nx_proxy_settings_free(*settings);
}

static int check_set(const struct rules *rules, size_t index, struct problems *problems)
{
        const struct rule *rule = &rules->rules[index];

        if (!rule->match.set || (rule->route.way == WAY_IGNORE && can_be_excluded(rules, index)))
                return 0;
        problems_add(
                problems, (struct position){ rule->line, 1 },
                "the set '%s' cannot stand here: expected it in 'ignore', before each rule for "
                "via or direct that could match the same flow",
                rule->match.set);
        return RULES_E_INVALID;
}

int rules_compile(struct nx_proxy_settings **ret_settings, const struct rules *rules,
                  const char *path, struct problems *problems)
{
        __attribute__((cleanup(cleanup_settings))) struct nx_proxy_settings *settings = NULL;
        int r;

        r = nx_proxy_settings_new(&settings, rules->loopback);
        for (size_t i = 0; r == 0 && i < rules->n_rules; i++)
                r = check_set(rules, i, problems);
        for (size_t i = 0; r == 0 && i < rules->n_rules; i++)
                if (rules->rules[i].route.way != WAY_IGNORE || can_be_excluded(rules, i))
                        r = add_rule(settings, &rules->rules[i], path, problems);
        if (r == 0 && rules->fallback.route.way != WAY_IGNORE)
                r = add_rule(settings, &rules->fallback, path, problems);
        if (r)
                return r;
        *ret_settings = settings;
        settings = NULL;
        return 0;
}
