/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a session needs stands in one word, since a run can have several: "relay=office.rules",
 * "./my-proxy:app-proxy". The firewall, which most runs are about, has an option of its own for
 * its rules. Whatever else a session can have the command says, by `session start`: it finds
 * itself in the run's instance.
 */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/run/sessions.h"

#define FIREWALL "firewall"

static bool is_firewall(const struct run_session *session)
{
        const char *slash = strrchr(session->extension, '/');

        return strcmp(slash ? slash + 1 : session->extension, FIREWALL) == 0;
}

/* Cuts text at the separator and returns what is behind it; NULL if it has none. */
static char *cut_behind(char *text, char separator)
{
        char *at = strchr(text, separator);

        if (!at)
                return NULL;
        *at = '\0';
        return at + 1;
}

static int read_word(struct run_session *session, const char *word)
{
        _cleanup_free_ char *extension = cli_format("%s", word);
        const char *rules = cut_behind(extension, '=');
        const char *kind = cut_behind(extension, ':');

        if (!*extension) {
                cli_complain("--with is EXTENSION[:KIND][=RULES], not '%s'", word);
                return -1;
        }
        session->kind = cli_kind(kind);
        if (kind && !session->kind) {
                cli_complain("--with %s: '%s' is no kind of session; there are filter, "
                             "transparent-proxy, app-proxy and packet-filter",
                             word, kind);
                return -1;
        }
        if (rules) {
                session->rules = cli_readable_path(rules);
                if (!session->rules)
                        return -1;
        }
        session->extension = cli_extension(extension);
        return 0;
}

static struct run_session *find_firewall(struct run_sessions *sessions)
{
        for (size_t i = 0; i < sessions->n_items; i++)
                if (is_firewall(&sessions->items[i]))
                        return &sessions->items[i];
        return NULL;
}

/* In front of the others, where nobody has named it. */
static struct run_session *add_firewall(struct run_sessions *sessions)
{
        memmove(&sessions->items[1], &sessions->items[0],
                sessions->n_items * sizeof(sessions->items[0]));
        sessions->items[0] = (struct run_session){ .extension = cli_format(FIREWALL) };
        sessions->n_items++;
        sessions->has_own_firewall = true;
        return &sessions->items[0];
}

static int give_to_firewall(struct run_sessions *sessions, const char *rules)
{
        struct run_session *firewall = find_firewall(sessions) ?: add_firewall(sessions);

        if (firewall->rules) {
                cli_complain("--rules %s: the firewall has its rules from --with already", rules);
                return -1;
        }
        firewall->rules = cli_readable_path(rules);
        return firewall->rules ? 0 : -1;
}

int run_sessions_read(struct run_sessions *sessions, const struct option_list *words,
                      const char *rules)
{
        for (size_t i = 0; i < words->n_items; i++)
                if (read_word(&sessions->items[sessions->n_items++], words->items[i]))
                        return -1;
        return rules ? give_to_firewall(sessions, rules) : 0;
}

void run_sessions_deinit(struct run_sessions *sessions)
{
        for (size_t i = 0; i < sessions->n_items; i++) {
                free(sessions->items[i].extension);
                free(sessions->items[i].rules);
        }
}

static int start(struct nx_manager *manager, const struct run_session *session, int order,
                 const char *fail_policy)
{
        const struct nx_session_file file = { .name = "rules", .path = session->rules };
        const struct nx_session_configuration configuration = {
                NX_SESSION_CONFIGURATION_INIT,
                .extension = session->extension,
                .kind = session->kind,
                .order = order,
                .fail_policy = fail_policy,
                .files = session->rules ? &file : NULL,
                .n_files = session->rules ? 1 : 0,
        };

        if (nx_manager_start_session(manager, &configuration) == 0)
                return 0;
        cli_complain("%s", nx_manager_get_error(manager));
        return -1;
}

int run_sessions_start(const struct run_sessions *sessions, const char *instance,
                       const char *fail_policy)
{
        _cleanup_manager_ struct nx_manager *manager = NULL;

        if (sessions->n_items == 0)
                return 0;
        manager = cli_open(instance);
        if (!manager)
                return -1;
        for (size_t i = 0; i < sessions->n_items; i++) {
                if (start(manager, &sessions->items[i], (int)i, fail_policy) == 0)
                        continue;
                if (i == 0 && sessions->has_own_firewall && sessions->n_items > 1)
                        cli_complain("--rules are the firewall's; those of another extension "
                                     "stand behind it: --with NAME=FILE");
                return -1;
        }
        return 0;
}
