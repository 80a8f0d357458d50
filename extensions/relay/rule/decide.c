/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The first match, as the kernel finds it: the same comparisons, with one difference. The
 * kernel knows all names of an address, we are told the last one that was asked for; and all of
 * a cgroup's path, we only its end where it is very long. So a flow may come for the sake of what
 * we do not see: no rule seems to want it, and yet it is here. Then it belongs to the first rule
 * that matches in all but that.
 */

#include <string.h>
#include <strings.h>

#include "relay/rule/decide.h"

/* name is domain, or below it. */
static bool is_below(const char *name, const char *domain)
{
        size_t n_name = strlen(name), n_domain = strlen(domain);

        if (n_name > 0 && name[n_name - 1] == '.')
                n_name--;
        if (n_name < n_domain || strncasecmp(name + n_name - n_domain, domain, n_domain) != 0)
                return false;
        return n_name == n_domain || name[n_name - n_domain - 1] == '.';
}

static bool domain_matches(const struct match *match, const struct subject *subject)
{
        return !match->domain || (subject->hostname && is_below(subject->hostname, match->domain));
}

/* What a rule does not say, matches everything; what is not known matches no rule. */
static bool text_matches(const char *wanted, const char *text)
{
        return !wanted || (text && strcmp(wanted, text) == 0);
}

static bool package_matches(const struct match *match, const char *program)
{
        for (size_t i = 0; i < match->programs.n && program; i++)
                if (strcmp(match->programs.each[i], program) == 0)
                        return true;
        return !match->package;
}

/* One is a team, or an extension of it. */
static bool is_of_signer(const char *signer, const char *one)
{
        size_t size = strlen(one);

        return signer && strncmp(signer, one, size) == 0 && (!signer[size] || signer[size] == '.');
}

static bool is_in_cgroup(const char *path, const char *cgroup)
{
        size_t size = strlen(cgroup);

        return path && strncmp(path, cgroup, size) == 0 && (!path[size] || path[size] == '/');
}

static bool is_slice(const char *name, size_t size)
{
        static const char suffix[] = ".slice";
        const size_t suffix_size = strlen(suffix);

        return size > suffix_size && strncmp(name + size - suffix_size, suffix, suffix_size) == 0;
}

/* The first name that is no slice's. */
static bool is_of_unit(const char *path, const char *unit)
{
        size_t size;

        if (!path || *path != '/')
                return false;
        for (path++; is_slice(path, size = strcspn(path, "/")) && path[size]; path += size + 1)
                ;
        return size == strlen(unit) && strncmp(path, unit, size) == 0;
}

static bool place_matches(const struct match *match, const struct subject *subject)
{
        return (!match->cgroup || is_in_cgroup(subject->cgroup, match->cgroup)) &&
               (!match->unit || is_of_unit(subject->cgroup, match->unit));
}

/* A path that is too long for us begins with an ellipsis; the kernel knows all of it. */
static bool place_is_hidden(const struct subject *subject)
{
        return subject->cgroup && *subject->cgroup != '/';
}

static bool rest_matches(const struct rule *rule, const struct subject *subject)
{
        const struct match *match = &rule->match;

        if (match->set) /* the kernel has kept its flows from us: see compile.c */
                return false;
        if (match->port_last &&
            (subject->remote.port < match->port_first || subject->remote.port > match->port_last))
                return false;
        if (!network_contains(&rule->network, &subject->remote.host))
                return false;
        if (match->uid != NX_ANY_USER && match->uid != subject->uid)
                return false;
        return text_matches(match->program, subject->program) &&
               package_matches(match, subject->program) &&
               text_matches(match->digest, subject->digest) &&
               (!match->signer || is_of_signer(subject->signer, match->signer));
}

static bool rule_matches(const struct rule *rule, const struct subject *subject)
{
        return rest_matches(rule, subject) && domain_matches(&rule->match, subject) &&
               place_matches(&rule->match, subject);
}

static const struct rule *first_match(const struct rules *rules, const struct subject *subject)
{
        for (size_t i = 0; i < rules->n_rules; i++)
                if (rule_matches(&rules->rules[i], subject))
                        return &rules->rules[i];
        return &rules->fallback;
}

/* Whether a rule that we see match brought the flow here, be it the first or not. */
static bool is_wanted(const struct rules *rules, const struct subject *subject)
{
        for (size_t i = 0; i < rules->n_rules; i++)
                if (rules->rules[i].route.way != WAY_IGNORE &&
                    rule_matches(&rules->rules[i], subject))
                        return true;
        return rules->fallback.route.way != WAY_IGNORE;
}

const struct rule *decide(const struct rules *rules, const struct subject *subject)
{
        const struct rule *first = first_match(rules, subject);

        if (is_wanted(rules, subject))
                return first;
        for (size_t i = 0; i < rules->n_rules && &rules->rules[i] != first; i++)
                if (rules->rules[i].route.way != WAY_IGNORE &&
                    rest_matches(&rules->rules[i], subject) &&
                    (place_matches(&rules->rules[i].match, subject) || place_is_hidden(subject)))
                        return &rules->rules[i];
        return first;
}

static bool differ(const char *a, const char *b)
{
        return a && b && strcmp(a, b) != 0;
}

/* A team and an extension of it do not. */
static bool signers_differ(const char *a, const char *b)
{
        return differ(a, b) && !is_of_signer(a, b) && !is_of_signer(b, a);
}

/* Domains say nothing here: any two of them, and any network, may share an address. */
bool decide_may_both_match(const struct rule *a, const struct rule *b)
{
        const struct match *first = &a->match, *second = &b->match;

        if (first->port_last && second->port_last &&
            (first->port_last < second->port_first || second->port_last < first->port_first))
                return false;
        if (first->uid != NX_ANY_USER && second->uid != NX_ANY_USER && first->uid != second->uid)
                return false;
        if (differ(first->program, second->program) || differ(first->digest, second->digest) ||
            differ(first->unit, second->unit) || signers_differ(first->signer, second->signer))
                return false;
        return network_overlaps(&a->network, &b->network);
}
