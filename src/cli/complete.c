/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the shells ask when somebody presses Tab: the words up to the cursor come in,
 * what the last one could become goes out, one a line. So the scripts in
 * dist/completions know nothing that is not in the tables.
 */

#include <string.h>

#include <netext/activation.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"

static void offer(const char *prefix, const char *typed, const char *candidate)
{
        _cleanup_free_ char *whole = cli_format("%s%s", prefix, candidate);

        if (strncmp(whole, typed, strlen(typed)) != 0)
                return;
        escape_text(stdout, whole);
        fputc('\n', stdout);
}

static void offer_options(const struct cli_option *options, const char *typed)
{
        for (; options && options->name; options++)
                offer("--", typed, options->name);
}

/* Verbs by their first word, or those of group by their second. */
static void offer_verbs(const char *group, const char *typed)
{
        const char *offered = "";

        for (const struct cli_verb *verb = cli_verbs; verb->name; verb++) {
                _cleanup_free_ char *first = NULL;

                if (!verb->help || (group && !verb_is_in(verb, group)))
                        continue;
                if (group) {
                        offer("", typed, verb->name + strlen(group) + 1);
                        continue;
                }
                first = strndup(verb->name, strcspn(verb->name, " "));
                if (!first)
                        cli_no_memory();
                /* A group's verbs stand together in the table. */
                if (strncmp(offered, first, strlen(first)) != 0)
                        offer("", typed, first);
                offered = verb->name;
        }
}

static void offer_extensions(const char *prefix, const char *typed)
{
        _cleanup_free_ char *path = cli_installed_path("libexec/netext/extensions");
        _cleanup_dir_ DIR *dir = opendir(path);
        struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        offer(prefix, typed, entry->d_name);
}

typedef int list_fn(struct nx_manager *manager, struct nx_list **ret_list);

/* What the instance has, by its key. */
static void offer_names(const char *instance, list_fn *list, const char *key, const char *typed)
{
        _cleanup_manager_ struct nx_manager *manager = NULL;
        _cleanup_list_ struct nx_list *named = NULL;

        if (nx_manager_open(&manager, instance, NULL) || list(manager, &named))
                return;
        for (size_t i = 0; i < nx_list_get_count(named); i++) {
                const char *name = nx_properties_get_string(nx_list_get(named, i), key);

                if (name)
                        offer("", typed, name);
        }
}

static void offer_words(const char *prefix, const char *typed, const char *const *words)
{
        for (; words && *words; words++)
                offer(prefix, typed, *words);
}

/* EXTENSION[:KIND][=RULES], behind the prefix. behind: the sign that typed follows where the shell
 * has cut the value there, or 0. */
static void offer_with(const char *prefix, const char *typed, char behind)
{
        const char *one = typed + strlen(prefix), *colon = strchr(one, ':');
        _cleanup_free_ char *extension =
                cli_format("%.*s", colon ? (int)(colon + 1 - typed) : 0, typed);

        if (behind == '=' || strchr(one, '='))
                return; /* the shell knows files */
        if (behind == ':' || colon)
                offer_words(extension, typed, cli_kinds);
        else
                offer_extensions(prefix, typed);
}

/* Of a list, what is in front of its last comma stays. */
static void offer_values(const struct cli_option *option, const char *typed, char behind)
{
        const char *comma = option->list ? strrchr(typed, ',') : NULL;
        _cleanup_free_ char *prefix =
                cli_format("%.*s", comma ? (int)(comma + 1 - typed) : 0, typed);

        offer_words(prefix, typed, option->words);
        if (strcmp(option->name, "with") == 0)
                offer_with(prefix, typed, comma ? '\0' : behind);
}

/* The option whose value the word after `word` is, or NULL. */
static const struct cli_option *option_before(const struct cli_verb *verb, const char *word)
{
        const struct cli_option *option;

        if (strncmp(word, "--", 2) != 0)
                return NULL;
        option = verb ? option_find(verb->options, word + 2, strlen(word + 2)) : NULL;
        if (!option)
                option = option_find(cli_global_options, word + 2, strlen(word + 2));
        return option && option->value ? option : NULL;
}

/* Verbs about one that is installed. */
static bool is_about_extension(const struct cli_verb *verb)
{
        return verb->fn == verb_extension_deactivate || verb->fn == verb_extension_why ||
               verb->fn == verb_extension_properties || verb->fn == verb_extension_approve ||
               verb->fn == verb_extension_refuse || verb->fn == verb_extension_disable ||
               verb->fn == verb_extension_enable;
}

/* Verbs that begin with one: EXTENSION NAME … */
static bool is_about_key(const struct cli_verb *verb)
{
        return verb->fn == verb_secret_put || verb->fn == verb_secret_remove ||
               verb->fn == verb_key_generate || verb->fn == verb_key_import ||
               verb->fn == verb_key_show || verb->fn == verb_key_remove;
}

/* n_before: arguments that stand before the one at the cursor. */
static void offer_arguments(const struct cli_verb *verb, const char *instance, int n_before,
                            const char *typed)
{
        static const char *const switches[] = { "on", "off", NULL };

        if (verb->fn == verb_session_start)
                offer_extensions("", typed);
        if (verb->fn == verb_session_start || is_about_extension(verb) ||
            (is_about_key(verb) && n_before == 0))
                offer_names(instance, nx_manager_list_extensions, "identifier", typed);
        else if (verb->fn == verb_extension_developer)
                offer_words("", typed, switches);
        else if (verb->fn == verb_session_stop || verb->fn == verb_session_restart ||
                 verb->fn == verb_rules_show)
                offer_names(instance, nx_manager_list_sessions, "name", typed);
        else if (verb->fn == verb_set_show || verb->fn == verb_set_remove ||
                 (verb->fn == verb_set_put && n_before == 0))
                offer_names(instance, nx_manager_list_sets, "name", typed);
        else if (verb->fn == verb_help)
                offer_verbs(NULL, typed);
}

/* What the words before the cursor have settled. */
struct completion {
        const char *instance;
        const char *group;
        const struct cli_verb *verb;
        const struct cli_option *option; /* the word at the cursor is its value */
        const struct cli_option *valued; /* the word before the cursor was its value */
        char behind;                     /* the sign between two words of one value, or 0 */
        int n_arguments;                 /* of the verb, before the cursor */
        bool is_command;                 /* the cursor is behind "--" */
};

/* bash makes three words of "--name=value", and as many of "name:kind". */
static bool is_sign(const char *word)
{
        return strcmp(word, "=") == 0 || strcmp(word, ":") == 0;
}

static void completion_take(struct completion *completion, const char *word)
{
        const struct cli_option *valued = completion->valued;

        completion->valued = NULL;
        if (completion->option) {
                if (is_sign(word))
                        return;
                if (strcmp(completion->option->name, "instance") == 0)
                        completion->instance = word;
                completion->valued = completion->option;
                completion->option = NULL;
                completion->behind = '\0';
        } else if (valued && is_sign(word)) {
                completion->option = valued;
                completion->behind = *word;
        } else if (strcmp(word, "--") == 0) {
                completion->is_command = true;
        } else if (*word == '-') {
                completion->option = option_before(completion->verb, word);
        } else if (!completion->verb && completion->group) {
                _cleanup_free_ char *name = cli_format("%s %s", completion->group, word);

                completion->verb = verb_get(name);
        } else if (!completion->verb) {
                completion->group = verb_group(word);
                completion->verb = verb_get(word);
        } else if (completion->verb->max_arguments < 0) {
                completion->is_command = true;
        } else {
                completion->n_arguments++;
        }
}

int verb_complete(struct cli *cli)
{
        struct completion completion = { .instance = cli->instance };
        const char *typed;

        if (cli->n_arguments == 0)
                return CLI_OK;
        typed = cli->arguments[cli->n_arguments - 1];
        for (int i = 0; i < cli->n_arguments - 1; i++)
                completion_take(&completion, cli->arguments[i]);
        if (is_sign(typed)) { /* what follows it is about to be typed */
                completion_take(&completion, typed);
                typed = "";
        }

        if (completion.is_command)
                return CLI_OK; /* the shell knows commands and files */
        if (completion.option) {
                offer_values(completion.option, typed, completion.behind);
        } else if (*typed == '-') {
                offer_options(completion.verb ? completion.verb->options : NULL, typed);
                offer_options(cli_global_options, typed);
        } else if (completion.verb) {
                offer_arguments(completion.verb, completion.instance, completion.n_arguments,
                                typed);
        } else {
                offer_verbs(completion.group, typed);
        }
        return CLI_OK;
}
