/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl status: the instance on one screen. Counters and mechanisms are whatever
 * facts the daemons report: numbers are the one, words the other, and a fact that a
 * later daemon adds shows without a change here. Counters that are 0 have nothing to
 * tell but how many they are.
 */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"
#include "cli/output/session.h"

/* Shown above, or in the title. */
static const char *const about_instance[] = {
        "version",   "instance",       "state",         "cgroup",        "mark_mask", "netextd_pid",
        "flowd_pid", "flowd_restarts", "store_problem", "state_problem", NULL,
};

static bool is_about_instance(const char *key)
{
        for (const char *const *known = about_instance; *known; known++)
                if (strcmp(*known, key) == 0)
                        return true;
        return false;
}

static const char *text_of(const struct nx_properties *status, const char *key)
{
        return nx_properties_get_string(status, key) ?: "?";
}

static void add_problem(struct table *table, const struct nx_properties *status, const char *label,
                        const char *key)
{
        if (!nx_properties_has(status, key))
                return;
        table_add(table, label);
        table_add(table, text_of(status, key));
}

static void print_instance(const struct nx_properties *status)
{
        _cleanup_(table_deinit) struct table table = TABLE_INIT(2);
        _cleanup_free_ char *mark_mask = property_to_text(status, "mark_mask");
        _cleanup_free_ char *restarts = property_to_text(status, "flowd_restarts");
        _cleanup_free_ char *title =
                cli_format("netext %s, instance %s: %s", text_of(status, "version"),
                           text_of(status, "instance"), text_of(status, "state"));

        escape_text(stdout, title);
        putchar('\n');
        table_add(&table, "cgroup");
        table_add(&table, text_of(status, "cgroup"));
        table_add(&table, "mark bits");
        table_add(&table, mark_mask);
        table_add(&table, "netextd");
        table_add_taken(&table,
                        cli_format("pid %lu", nx_properties_get_uint64(status, "netextd_pid")));
        table_add(&table, "netext-flowd");
        table_add_taken(&table,
                        cli_format("pid %lu, restarts: %s",
                                   nx_properties_get_uint64(status, "flowd_pid"), restarts));
        add_problem(&table, status, "extensions", "store_problem");
        add_problem(&table, status, "sessions", "state_problem");
        table_print(&table, stdout, false, 2);
}

static void add_fact(struct table *table, const struct nx_properties *status, const char *key)
{
        char *label = cli_format("%s", key);

        for (char *c = label; *c; c++)
                *c = *c == '_' ? ' ' : *c;
        table_add_taken(table, label);
        table_add_taken(table, property_to_text(status, key));
}

static bool is_word(const struct nx_properties *status, size_t i)
{
        return nx_properties_get_type(status, i) == NX_PROPERTY_STRING;
}

static void print_counters(const struct nx_properties *status)
{
        _cleanup_(table_deinit) struct table table = TABLE_INIT(2);
        unsigned int n_zero = 0;

        for (size_t i = 0; i < nx_properties_get_count(status); i++) {
                const char *key = nx_properties_get_key(status, i);

                if (is_about_instance(key) || is_word(status, i))
                        continue;
                if (nx_properties_get_uint64(status, key))
                        add_fact(&table, status, key);
                else
                        n_zero++;
        }
        printf("\nCounters\n");
        table_print(&table, stdout, false, 2);
        printf("  %u %s 0\n", n_zero, table.n_cells ? "more are" : "are");
}

static void print_mechanisms(const struct nx_properties *status)
{
        _cleanup_(table_deinit) struct table table = TABLE_INIT(2);

        for (size_t i = 0; i < nx_properties_get_count(status); i++) {
                const char *key = nx_properties_get_key(status, i);

                if (!is_about_instance(key) && is_word(status, i))
                        add_fact(&table, status, key);
        }
        if (table.n_cells == 0)
                return;
        printf("\nMechanisms\n");
        table_print(&table, stdout, false, 2);
}

static void print_status(const struct nx_properties *status, const struct nx_list *sessions)
{
        print_instance(status);
        printf("\nSessions\n");
        writer_table(stdout, sessions, session_columns, 2, "none: flows pass, and are recorded");
        print_counters(status);
        print_mechanisms(status);
}

int verb_status(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        _cleanup_list_ struct nx_list *status = NULL;
        _cleanup_list_ struct nx_list *sessions = NULL;
        struct emitter json = EMITTER_INIT(stdout);

        if (!manager)
                return CLI_FAILED;
        if (nx_manager_get_status(manager, &status) || nx_list_get_count(status) == 0 ||
            nx_manager_list_sessions(manager, &sessions))
                return cli_complain("%s", nx_manager_get_error(manager));
        if (!cli->json) {
                print_status(nx_list_get(status, 0), sessions);
                return CLI_OK;
        }
        emit_begin(&json, NULL, '{');
        emit_keys(&json, nx_list_get(status, 0));
        emit_list(&json, "sessions", sessions);
        emit_end(&json, '}');
        return CLI_OK;
}
