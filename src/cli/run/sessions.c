/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The sessions of a run: what --with names, of whatever kind it is, and the firewall where
 * there are rules.
 */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/run/sessions.h"

#define FIREWALL "firewall"

static bool is_firewall(const char *extension)
{
        const char *slash = strrchr(extension, '/');

        return strcmp(slash ? slash + 1 : extension, FIREWALL) == 0;
}

static bool names_firewall(const struct option_list *extensions)
{
        for (size_t i = 0; i < extensions->n_items; i++)
                if (is_firewall(extensions->items[i]))
                        return true;
        return false;
}

static int start_session(struct nx_manager *manager, const char *word, int order,
                         const char *rules_path, const char *fail_policy)
{
        _cleanup_free_ char *extension = cli_extension(word);
        struct nx_session_file file = { .name = "rules", .path = rules_path };
        struct nx_session_configuration configuration = {
                NX_SESSION_CONFIGURATION_INIT,
                .extension = extension,
                .order = order,
                .fail_policy = fail_policy,
                .files = rules_path ? &file : NULL,
                .n_files = rules_path ? 1 : 0,
        };

        if (nx_manager_start_session(manager, &configuration)) {
                cli_complain("%s", nx_manager_get_error(manager));
                return -1;
        }
        return 0;
}

int run_sessions_start(const char *instance, const struct option_list *extensions,
                       const char *rules, const char *fail_policy)
{
        _cleanup_manager_ struct nx_manager *manager = NULL;
        int order = 0;

        if (!rules && extensions->n_items == 0)
                return 0;
        manager = cli_open(instance);
        if (!manager)
                return -1;
        if (rules && !names_firewall(extensions) &&
            start_session(manager, FIREWALL, order++, rules, fail_policy))
                return -1;
        for (size_t i = 0; i < extensions->n_items; i++) {
                const char *word = extensions->items[i];

                if (start_session(manager, word, order++, is_firewall(word) ? rules : NULL,
                                  fail_policy))
                        return -1;
        }
        return 0;
}
