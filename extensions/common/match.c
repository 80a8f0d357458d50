/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The only part of a rule that depends on the machine is looked up here. A program that
 * is not there (yet), or that the extension's own user may not look at, keeps the path it
 * was given; a user that is not known is a problem, because a rule for nobody would look
 * as if it worked.
 */

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/match.h"
#include "common/package.h"

void match_deinit(struct match *match)
{
        free(match->program);
        free(match->package);
        texts_deinit(&match->programs);
        free(match->started_by);
        free(match->digest);
        free(match->cgroup);
        free(match->unit);
        free(match->inode);
        free(match->signer);
        free(match->user);
        free(match->network);
        free(match->domain);
        free(match->set);
        free(match->local_network);
        *match = (struct match)MATCH_INIT;
}

static int resolve_program(char **program, struct position at, struct problems *problems)
{
        char *path;

        if (!*program)
                return 0;
        path = realpath(*program, NULL);
        if (!path)
                return errno == ENOMEM ? -ENOMEM : 0;
        free(*program);
        *program = path;
        if (strlen(path) <= WORD_MAX)
                return 0;
        problems_add(problems, at,
                     "the program's path without symbolic links is too long: expected at most "
                     "%d bytes",
                     WORD_MAX);
        return RULES_E_INVALID;
}

static int resolve_user(struct match *match, struct problems *problems)
{
        const struct passwd *passwd;

        if (!match->user)
                return 0;
        passwd = getpwnam(match->user);
        if (passwd && passwd->pw_uid != NX_ANY_USER) {
                match->uid = passwd->pw_uid;
                return 0;
        }
        problems_add(problems, match->user_at,
                     "'%.64s' is not a user that the extension can look up: expected a name of "
                     "/etc/passwd, or the number that 'id -u' prints (its sandbox may not reach "
                     "other user databases)",
                     match->user);
        return RULES_E_INVALID;
}

static int package_problem(const struct match *match, struct problems *problems,
                           const char *problem)
{
        problems_add(problems, match->package_at, "'%.64s' %s", match->package, problem);
        return RULES_E_INVALID;
}

static int resolve_package(struct match *match, struct problems *problems, struct problems *remarks)
{
        int r;

        if (!match->package)
                return 0;
        if (match->program)
                return package_problem(match, problems,
                                       "comes on top of a program: expected 'program' or "
                                       "'package'");
        texts_deinit(&match->programs);
        r = package_find(&match->programs, PACKAGE_DATABASES, match->package);
        if (r == PACKAGE_E_NO_DATABASE)
                return package_problem(
                        match, problems,
                        "cannot be looked up: there is neither dpkg's database in " PACKAGE_DATABASES
                        "/dpkg nor rpm's in " PACKAGE_DATABASES "/rpm");
        if (r == PACKAGE_E_UNREADABLE)
                return package_problem(match, problems,
                                       "cannot be looked up: /usr/bin/rpm is not there, or cannot "
                                       "read its database in " PACKAGE_DATABASES "/rpm");
        if (r < 0)
                return r;
        if (r == PACKAGE_E_NOT_INSTALLED)
                package_problem(match, remarks,
                                "is no installed package: nothing is meant, while neither 'dpkg "
                                "--get-selections' nor 'rpm --query --all' prints such a name");
        else if (match->programs.n == 0)
                package_problem(match, remarks, "has no programs: nothing is meant");
        return 0;
}

int match_resolve(struct match *match, struct problems *problems, struct problems *remarks)
{
        int r, outcome;

        outcome = resolve_program(&match->program, match->program_at, problems);
        if (outcome < 0)
                return outcome;
        r = resolve_program(&match->started_by, match->started_by_at, problems);
        if (r < 0)
                return r;
        outcome = r ? r : outcome;
        r = resolve_package(match, problems, remarks);
        if (r < 0)
                return r;
        outcome = r ? r : outcome;
        r = resolve_user(match, problems);
        return r ? r : outcome;
}

size_t match_n_rules(const struct match *match)
{
        return match->package ? match->programs.n : 1;
}

struct nx_rule match_to_rule(const struct match *match, size_t index, const char *label)
{
        struct nx_rule rule = {
                NX_RULE_INIT,
                .direction = match->direction,
                .protocol = match->protocol,
                .program = match->program,
                .digest = match->digest,
                .cgroup = match->cgroup,
                .unit = match->unit,
                .signer = match->signer,
                .inode = match->inode,
                .started_by = match->started_by,
                .remote_network = match->network,
                .remote_domain = match->domain,
                .remote_set = match->set,
                .remote_port_first = match->port_first,
                .remote_port_last = match->port_last,
                .local_network = match->local_network,
                .local_port_first = match->local_port_first,
                .local_port_last = match->local_port_last,
                .label = label,
        };

        rule.user = match->uid;
        if (match->package)
                rule.program = match->programs.each[index];
        return rule;
}

/* The name is cut before the number. */
void match_write_label(char label[LABEL_SIZE], const char *path, unsigned int line)
{
        const char *slash = strrchr(path, '/');

        snprintf(label, LABEL_SIZE, "%.50s:%u", slash ? slash + 1 : path, line);
        for (char *c = label; *c; c++)
                if (*c <= ' ' || *c > '~')
                        *c = '?';
}
