/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl session start: hands the daemon a configuration and waits until the provider
 * runs. Says nothing when it does; the sentence of why it does not is the daemon's.
 */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/writer.h"

static const char *session_name;
static const char *kind;
static const char *rules;
static const char *grade;
static const char *fail_policy;
static int64_t order;
static int64_t verdict_timeout_ms;
static int64_t ready_timeout_ms;
static struct option_list files;

static const char *const grades[] = { "firewall", "inspector", NULL };
static const char *const fail_policies[] = { "open", "closed", "last-rules", NULL };

const struct cli_option session_start_options[] = {
        { "name", "NAME", "what the session is called; default: the extension's identifier",
          .string = &session_name },
        { "kind", "filter|transparent-proxy|app-proxy|packet-filter",
          "which of the things it is that the extension provides", .words = cli_kinds,
          .string = &kind },
        { "rules", "FILE", "short for --file rules=FILE", .string = &rules },
        { "file", "NAME=PATH", "a file the extension is given; may be repeated",
          .repeated = &files },
        { "order", "N", "lower is asked first; default 0", .min = INT32_MIN, .max = INT32_MAX,
          .number = &order },
        { "grade", "firewall|inspector",
          "of a filter: firewalls are asked before inspectors; default firewall", .words = grades,
          .string = &grade },
        { "fail-policy", "open|closed|last-rules",
          "what becomes of what nobody decides; default open", .words = fail_policies,
          .string = &fail_policy },
        { "verdict-timeout", "MS",
          "how long a flow or packet may wait for its verdict; default 1000", .min = 1,
          .max = 600000, .number = &verdict_timeout_ms },
        { "ready-timeout", "MS", "how long the extension may take to start; default 5000", .min = 1,
          .max = 600000, .number = &ready_timeout_ms },
        {},
};

/* One more than --file can bring: --rules. */
struct file_set {
        struct nx_session_file files[OPTION_LIST_MAX + 1];
        size_t n_files;
};

static void file_set_deinit(struct file_set *set)
{
        for (size_t i = 0; i < set->n_files; i++) {
                free((char *)set->files[i].name);
                free((char *)set->files[i].path);
        }
}

static int file_set_add(struct file_set *set, const char *name, size_t name_size, const char *path)
{
        char *readable = cli_readable_path(path);

        if (!readable)
                return CLI_FAILED;
        set->files[set->n_files++] = (struct nx_session_file){
                .name = cli_format("%.*s", (int)name_size, name),
                .path = readable,
        };
        return CLI_OK;
}

static int file_set_fill(struct file_set *set)
{
        int r = CLI_OK;

        if (rules)
                r = file_set_add(set, "rules", strlen("rules"), rules);
        for (size_t i = 0; r == CLI_OK && i < files.n_items; i++) {
                const char *equals = strchr(files.items[i], '=');

                if (!equals || equals == files.items[i] || !equals[1]) {
                        cli_complain("--file is NAME=PATH, not '%s'", files.items[i]);
                        return CLI_USAGE;
                }
                r = file_set_add(set, files.items[i], (size_t)(equals - files.items[i]),
                                 equals + 1);
        }
        return r;
}

/* 0 leaves it to the daemon. */
static enum nx_filter_grade chosen_grade(void)
{
        if (!grade)
                return 0;
        return strcmp(grade, "inspector") == 0 ? NX_FILTER_GRADE_INSPECTOR
                                               : NX_FILTER_GRADE_FIREWALL;
}

static bool is_started(const struct nx_properties *session, const char *extension)
{
        const char *name = nx_properties_get_string(session, "name") ?: "";
        const char *path = nx_properties_get_string(session, "extension") ?: "";

        if (session_name)
                return strcmp(name, session_name) == 0;
        return strcmp(name, extension) == 0 || strcmp(path, extension) == 0;
}

/* The record of the session that was just started, which is the last of its extension. */
static int print_session(struct nx_manager *manager, const char *extension)
{
        _cleanup_list_ struct nx_list *sessions = NULL;
        const struct nx_properties *started = NULL;
        struct emitter json = EMITTER_INIT(stdout);

        if (nx_manager_list_sessions(manager, &sessions))
                return cli_complain("%s", nx_manager_get_error(manager));
        for (size_t i = 0; i < nx_list_get_count(sessions); i++)
                if (is_started(nx_list_get(sessions, i), extension))
                        started = nx_list_get(sessions, i);
        if (started)
                emit_record(&json, NULL, started);
        return CLI_OK;
}

int verb_session_start(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = NULL;
        _cleanup_(file_set_deinit) struct file_set set = {};
        _cleanup_free_ char *extension = cli_extension(cli->arguments[0]);
        int r = file_set_fill(&set);
        struct nx_session_configuration configuration = {
                NX_SESSION_CONFIGURATION_INIT,
                .extension = extension,
                .name = session_name,
                .kind = cli_kind(kind),
                .order = (int32_t)order,
                .grade = chosen_grade(),
                .fail_policy = fail_policy,
                .verdict_timeout_ms = (uint32_t)verdict_timeout_ms,
                .ready_timeout_ms = (uint32_t)ready_timeout_ms,
                .files = set.files,
                .n_files = set.n_files,
        };

        if (r != CLI_OK)
                return r;
        manager = cli_open_to_change(cli->instance);
        if (!manager)
                return CLI_FAILED;
        if (nx_manager_start_session(manager, &configuration))
                return cli_complain("%s", nx_manager_get_error(manager));
        return cli->json ? print_session(manager, extension) : CLI_OK;
}
