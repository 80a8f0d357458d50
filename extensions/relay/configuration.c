/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files come one by one, the rules perhaps before the credentials that they name; so the
 * first rules are only kept when they come, and looked at with all the rest at the start.
 * Later ones find everything there.
 *
 * New rules decide from when the platform says that their settings are in force, so that
 * both halves of a decision, the kernel's and ours, are always of the same file.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/lines.h"
#include "relay/configuration.h"
#include "relay/rule/compile.h"

/* Rules on their way into force: userdata of an apply. */
struct candidate {
        struct configuration *configuration; /* borrowed */
        struct rules *rules;                 /* owned */
};

void configuration_init(struct configuration *configuration, configuration_changed_fn *changed,
                        void *userdata)
{
        *configuration = (struct configuration){ .changed = changed, .userdata = userdata };
}

void configuration_deinit(struct configuration *configuration)
{
        configuration->rules = rules_free(configuration->rules);
        free(configuration->text);
        secrets_wipe(&configuration->secrets);
}

static void report_problem(const char *sentence, void *userdata)
{
        nx_proxy_report(userdata, NX_LEVEL_ERROR, "%s", sentence);
}

static void report_remark(const char *sentence, void *userdata)
{
        nx_proxy_report(userdata, NX_LEVEL_WARNING, "%s", sentence);
}

static void report_failure(struct nx_proxy *proxy, const struct configuration *configuration)
{
        const char *outcome = configuration->started ? "; the old rules stay in force" : "";

        if (configuration->result == RULES_E_INVALID)
                problems_tell(&configuration->problems, configuration->path, outcome,
                              report_problem, proxy);
        else
                nx_proxy_report(proxy, NX_LEVEL_ERROR, "%s: cannot be loaded: %s%s",
                                configuration->path, strerror(-configuration->result), outcome);
}

static void take_into_force(struct configuration *configuration, struct rules *rules)
{
        rules_free(configuration->rules);
        configuration->rules = rules;
        configuration->changed(configuration, configuration->userdata);
}

static void handle_applied(struct nx_proxy *proxy, int result, void *userdata)
{
        struct candidate candidate = *(struct candidate *)userdata;
        struct configuration *configuration = candidate.configuration;
        size_t n_rules = candidate.rules->n_rules;

        free(userdata);
        if (result == 0)
                take_into_force(configuration, candidate.rules);
        else
                rules_free(candidate.rules);
        /* What a newer file has overtaken, or the session's end, is not worth a word. */
        if (--configuration->n_applies > 0 || result == -ECANCELED)
                return;
        if (result < 0) {
                nx_proxy_report(proxy, NX_LEVEL_ERROR,
                                "%s: the rules could not be put in force: %s; all stays as it was",
                                configuration->path, strerror(-result));
                return;
        }
        nx_proxy_report(proxy, NX_LEVEL_INFO, "%zu rules in force", n_rules);
        problems_tell_each(&configuration->remarks, configuration->path, report_remark, proxy);
}

/* rules are taken over on success. */
static int apply(struct configuration *configuration, struct nx_proxy *proxy,
                 const struct nx_proxy_settings *settings, struct rules *rules)
{
        struct candidate *candidate = malloc(sizeof(*candidate));
        int r;

        if (!candidate)
                return -ENOMEM;
        *candidate = (struct candidate){ .configuration = configuration, .rules = rules };
        r = nx_proxy_apply(proxy, settings, handle_applied, candidate);
        if (r < 0) {
                free(candidate);
                return r;
        }
        configuration->n_applies++;
        return 0;
}

static int check_credentials(struct configuration *configuration, const struct rules *rules)
{
        const struct secret *secret;

        for (size_t i = 0; i < rules->n_upstreams; i++) {
                const struct upstream *upstream = &rules->upstreams[i];

                if (!upstream->credentials)
                        continue;
                secret = secrets_find(&configuration->secrets, upstream->credentials);
                if (!secret)
                        problems_add(&configuration->problems, upstream->credentials_at,
                                     "no file '%.64s' was given: expected --file %.64s=PATH at "
                                     "the session's start",
                                     upstream->credentials, upstream->credentials);
                else if (!secret->is_usable)
                        problems_add(&configuration->problems, upstream->credentials_at,
                                     "the file '%.64s' is at fault: %s", upstream->credentials,
                                     secret->problem);
        }
        return configuration->problems.n > 0 ? RULES_E_INVALID : 0;
}

/* Consumes rules. */
static int put_in_force(struct configuration *configuration, struct nx_proxy *proxy,
                        struct rules *parsed)
{
        _cleanup_rules_ struct rules *rules = parsed;
        struct nx_proxy_settings *settings = NULL;
        int r;

        configuration->remarks.n = 0;
        r = rules_resolve(rules, &configuration->problems, &configuration->remarks);
        if (r == 0)
                r = check_credentials(configuration, rules);
        if (r == 0)
                r = rules_compile(&settings, rules, configuration->path, &configuration->problems);
        if (r)
                return r;
        r = apply(configuration, proxy, settings, rules);
        nx_proxy_settings_free(settings);
        if (r == 0)
                rules = NULL;
        return r;
}

static int parse(struct configuration *configuration, const char *text, size_t size,
                 struct rules **ret_rules)
{
        configuration->problems.n = 0;
        return rules_parse(ret_rules, text, size, &configuration->problems);
}

static int load(struct configuration *configuration, struct nx_proxy *proxy, const char *text,
                size_t size)
{
        struct rules *rules = NULL;
        int r;

        r = parse(configuration, text, size, &rules);
        return r ? r : put_in_force(configuration, proxy, rules);
}

static void keep_text(struct configuration *configuration, char *text, size_t size)
{
        free(configuration->text);
        configuration->text = text;
        configuration->size = size;
}

static void handle_rules(struct configuration *configuration, struct nx_proxy *proxy,
                         const char *path, int fd)
{
        char *text = NULL;
        size_t size = 0;

        configuration->has_file = true;
        snprintf(configuration->path, sizeof(configuration->path), "%s", path);
        configuration->result = file_read(fd, RULES_FILE_MAX, &text, &size);
        if (configuration->result == 0 && configuration->started)
                configuration->result = load(configuration, proxy, text, size);
        if (configuration->result == 0)
                keep_text(configuration, text, size);
        else
                free(text);
        if (configuration->result && configuration->started)
                report_failure(proxy, configuration);
}

/* What is in it does not matter: it was replaced, so packages may have other programs by now. */
static void handle_packages(struct configuration *configuration, struct nx_proxy *proxy)
{
        if (!configuration->started)
                return;
        configuration->result =
                load(configuration, proxy, configuration->text, configuration->size);
        if (configuration->result)
                report_failure(proxy, configuration);
}

static void handle_secret(struct configuration *configuration, struct nx_proxy *proxy,
                          const char *name, const char *path, int fd)
{
        const struct secret *secret = secrets_read(&configuration->secrets, name, fd);

        if (!secret)
                nx_proxy_report(proxy, NX_LEVEL_WARNING,
                                "%s: not used: there are too many files with credentials, or its "
                                "name is too long",
                                path);
        else if (configuration->started && secret->problem[0])
                nx_proxy_report(proxy, NX_LEVEL_ERROR, "%s: %s; the old credentials stay in force",
                                path, secret->problem);
        else if (configuration->started)
                nx_proxy_report(proxy, NX_LEVEL_INFO, "new credentials in force: %.64s", name);
}

void configuration_handle_file(struct configuration *configuration, struct nx_proxy *proxy,
                               const char *name, const char *path, int fd)
{
        if (strcmp(name, RULES_FILE) == 0)
                handle_rules(configuration, proxy, path, fd);
        else if (strcmp(name, PACKAGES_FILE) == 0)
                handle_packages(configuration, proxy);
        else
                handle_secret(configuration, proxy, name, path, fd);
}

static bool is_named(const struct rules *rules, const char *file)
{
        for (size_t i = 0; i < rules->n_upstreams; i++)
                if (rules->upstreams[i].credentials &&
                    strcmp(rules->upstreams[i].credentials, file) == 0)
                        return true;
        return false;
}

/* A file under a mistyped name would be missed without a word. */
static void report_unused(struct nx_proxy *proxy, const struct secrets *secrets,
                          const struct rules *rules)
{
        for (size_t i = 0; i < secrets->n; i++)
                if (!is_named(rules, secrets->each[i].name))
                        nx_proxy_report(proxy, NX_LEVEL_WARNING,
                                        "a file '%.64s' was given, and no upstream names it",
                                        secrets->each[i].name);
}

static int start_first(struct configuration *configuration, struct nx_proxy *proxy)
{
        struct rules *rules = NULL;

        if (configuration->result == 0)
                configuration->result =
                        parse(configuration, configuration->text, configuration->size, &rules);
        if (configuration->result == 0) {
                report_unused(proxy, &configuration->secrets, rules);
                configuration->result = put_in_force(configuration, proxy, rules);
        }
        if (configuration->result == 0)
                return 0;
        report_failure(proxy, configuration);
        return configuration->result < 0 ? configuration->result : -EINVAL;
}

int configuration_start(struct configuration *configuration, struct nx_proxy *proxy)
{
        int r = 0;

        if (!configuration->has_file) {
                nx_proxy_report(proxy, NX_LEVEL_ERROR,
                                "the relay has no rules: give it some with --rules FILE, see "
                                "netext-relay(5)");
                return -EINVAL;
        }
        /* A restarted flow engine is given the rules of before, also while the file is faulty. */
        if (!configuration->started)
                r = start_first(configuration, proxy);
        if (r < 0)
                return r;
        configuration->started = true;
        return 0;
}

const struct credentials *configuration_credentials(const struct configuration *configuration,
                                                    const struct upstream *upstream)
{
        const struct secret *secret;

        if (!upstream->credentials)
                return NULL;
        secret = secrets_find(&configuration->secrets, upstream->credentials);
        return secret && secret->is_usable ? &secret->credentials : NULL;
}
