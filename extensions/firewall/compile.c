/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From the firewall's rules to the platform's: field by field, in the same order, each
 * with a label by which a person finds the line again; a line about a package is a rule for
 * each of its programs. Everything is decided in the kernel, but for what people are to be asked.
 */

#include <errno.h>
#include <string.h>

#include "firewall/compile.h"

static int add_rule(struct nx_filter_settings *settings, const struct rule *rule, const char *path,
                    struct problems *problems)
{
        char label[LABEL_SIZE];
        int r = 0;

        match_write_label(label, path, rule->line);
        for (size_t i = 0; i < match_n_rules(&rule->match) && r == 0; i++) {
                struct nx_rule matched = match_to_rule(&rule->match, i, label);

                r = nx_filter_settings_add_rule(settings, rule->action, &matched);
        }
        if (r == 0 || r == -ENOMEM)
                return r;
        problems_add(problems, (struct position){ rule->line, 1 },
                     "the platform does not take this rule: %s", strerror(-r));
        return RULES_E_INVALID;
}

static void cleanup_settings(struct nx_filter_settings **settings)
{
        nx_filter_settings_free(*settings);
}

int rules_compile(struct nx_filter_settings **ret_settings, const struct rules *rules,
                  const char *path, struct problems *problems)
{
        __attribute__((cleanup(cleanup_settings))) struct nx_filter_settings *settings = NULL;
        int r;

        r = nx_filter_settings_new(&settings, rules->default_action, rules->loopback);
        for (size_t i = 0; r == 0 && i < rules->n_rules; i++)
                r = add_rule(settings, &rules->rules[i], path, problems);
        if (r)
                return r;
        *ret_settings = settings;
        settings = NULL;
        return 0;
}
