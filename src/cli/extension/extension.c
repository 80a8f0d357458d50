/* SPDX-License-Identifier: Apache-2.0 */

/* How extensions and requests read. */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/extension/extension.h"
#include "cli/output/writer.h"

char *extension_title(const struct nx_properties *record)
{
        const char *team = nx_properties_get_string(record, "team");
        const char *identifier = nx_properties_get_string(record, "identifier");
        const char *version = nx_properties_get_string(record, "version");

        if (!identifier)
                return cli_format("%s", nx_properties_get_string(record, "source") ?: "?");
        return cli_format("%s%s%s%s%s", team ?: "", team ? "." : "", identifier, version ? " " : "",
                          version ?: "");
}

void extension_add_state(struct table *table, const struct nx_properties *extension)
{
        const char *state = nx_properties_get_string(extension, "state") ?: "";
        bool active = nx_properties_get_bool(extension, "active");
        _cleanup_free_ char *text = cli_format("%s", state);
        enum table_colour colour = TABLE_YELLOW;

        for (char *c = text; *c; c++)
                *c = *c == '_' ? ' ' : *c;
        if (strcmp(state, "activated_enabled") == 0)
                colour = active ? TABLE_GREEN : TABLE_RED;
        table_add_coloured(table, colour, text);
}

void extension_add_digest(struct table *table, const struct nx_properties *extension)
{
        table_add_taken(table,
                        cli_format("%.12s", nx_properties_get_string(extension, "digest") ?: ""));
}

struct wait {
        struct cli *cli;
        struct nx_manager *manager;
        bool approve;
};

/* The verbs say beforehand whether to replace; a request of somebody else's may ask. */
static bool do_not_replace(const struct nx_properties *request, void *userdata)
{
        return false;
}

static void say_that_it_waits(const struct nx_properties *request)
{
        _cleanup_free_ char *title = extension_title(request);

        cli_say("request %lu: %s waits for approval: netextctl extension approve %lu",
                (unsigned long)nx_properties_get_uint64(request, "request"), title,
                (unsigned long)nx_properties_get_uint64(request, "request"));
}

static void needs_approval(const struct nx_properties *request, void *userdata)
{
        struct wait *wait = userdata;
        _cleanup_free_ char *number =
                cli_format("%lu", (unsigned long)nx_properties_get_uint64(request, "request"));

        if (!wait->approve)
                say_that_it_waits(request);
        else if (nx_manager_approve_extension(wait->manager, number))
                cli_complain("%s", nx_manager_get_error(wait->manager));
}

static int print_outcome(struct cli *cli, const struct nx_properties *request)
{
        struct emitter json = EMITTER_INIT(stdout);
        _cleanup_free_ char *title = extension_title(request);
        const char *message = nx_properties_get_string(request, "message");
        bool failed = strcmp(nx_properties_get_string(request, "status") ?: "", "failed") == 0;
        bool removed = strcmp(nx_properties_get_string(request, "kind") ?: "", "deactivate") == 0;

        if (cli->json)
                emit_record(&json, NULL, request);
        else if (!failed)
                printf("%s is %s%s%s%s.\n", title, removed ? "removed" : "enabled",
                       message ? " (" : "", message ?: "", message ? ")" : "");
        if (!failed)
                return CLI_OK;
        return cli_complain("%s: request %lu failed (%lu %s)%s%s", title,
                            (unsigned long)nx_properties_get_uint64(request, "request"),
                            (unsigned long)nx_properties_get_uint64(request, "error"),
                            nx_properties_get_string(request, "error_name") ?: "",
                            message ? ": " : "", message ?: "");
}

int extension_wait(struct cli *cli, struct nx_manager *manager, uint64_t request, bool approve)
{
        struct wait wait = { .cli = cli, .manager = manager, .approve = approve };
        const struct nx_request_handler handler = {
                NX_REQUEST_HANDLER_INIT,
                .replace = do_not_replace,
                .needs_approval = needs_approval,
                .userdata = &wait,
        };
        _cleanup_list_ struct nx_list *record = NULL;

        if (nx_manager_wait_for_request(manager, request, &handler, &record))
                return cli_complain("%s", nx_manager_get_error(manager));
        return print_outcome(cli, nx_list_get(record, 0));
}
