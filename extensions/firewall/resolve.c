/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The only part of the rule language that depends on the machine. A program that is not
 * there (yet), or that the firewall's own user may not look at, keeps the path it was
 * given; a user that is not known is a problem, because a rule for nobody would look
 * as if it worked.
 */

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "firewall/resolve.h"

static int resolve_program(struct rule *rule, struct problems *problems)
{
        char *path;

        if (!rule->program)
                return 0;
        path = realpath(rule->program, NULL);
        if (!path)
                return errno == ENOMEM ? -ENOMEM : 0;
        free(rule->program);
        rule->program = path;
        if (strlen(path) <= WORD_MAX)
                return 0;
        problems_add(problems, rule->program_at,
                     "the program's path without symbolic links is too long: expected at most "
                     "%d bytes",
                     WORD_MAX);
        return RULES_E_INVALID;
}

static int resolve_user(struct rule *rule, struct problems *problems)
{
        const struct passwd *passwd;

        if (!rule->user)
                return 0;
        passwd = getpwnam(rule->user);
        if (passwd && passwd->pw_uid != NX_ANY_USER) {
                rule->uid = passwd->pw_uid;
                return 0;
        }
        problems_add(problems, rule->user_at,
                     "'%.64s' is not a user that the firewall can look up: expected a name of "
                     "/etc/passwd, or the number that 'id -u' prints (its sandbox may not reach "
                     "other user databases)",
                     rule->user);
        return RULES_E_INVALID;
}

int rules_resolve(struct rules *rules, struct problems *problems)
{
        for (size_t i = 0; i < rules->n_rules; i++) {
                struct rule *rule = &rules->rules[i];
                int r;

                r = resolve_program(rule, problems);
                if (r >= 0)
                        r = resolve_user(rule, problems);
                if (r < 0)
                        return r;
        }
        return problems->n > 0 ? RULES_E_INVALID : 0;
}
