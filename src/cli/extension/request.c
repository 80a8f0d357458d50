/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl extension request: what was asked for, and what became of it. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/extension/extension.h"
#include "cli/output/flow.h"
#include "cli/output/writer.h"

static bool wait_for_it;

const struct cli_option extension_request_options[] = {
        { "wait", NULL, "wait for its outcome", .flag = &wait_for_it },
        {},
};

static void add_status(struct table *table, const struct nx_properties *request)
{
        const char *status = nx_properties_get_string(request, "status") ?: "";
        enum table_colour colour = strcmp(status, "finished") == 0 ? TABLE_GREEN
                                   : strcmp(status, "failed") == 0 ? TABLE_RED
                                                                   : TABLE_YELLOW;

        table_add_coloured(table, colour, status);
}

static void add_title(struct table *table, const struct nx_properties *request)
{
        table_add_taken(table, extension_title(request));
}

static void add_submitted(struct table *table, const struct nx_properties *request)
{
        table_add_taken(table, time_and_date(nx_properties_get_uint64(request, "submitted_ns")));
}

static void add_error(struct table *table, const struct nx_properties *request)
{
        uint64_t error = nx_properties_get_uint64(request, "error");

        table_add_taken(table, error ? cli_format("%lu %s", (unsigned long)error,
                                                  nx_properties_get_string(request, "error_name"))
                                     : NULL);
}

static const struct writer_column columns[] = {
        { "REQUEST", "request" },
        { "SUBMITTED", .fn = add_submitted },
        { "KIND", "kind" },
        { "EXTENSION", .fn = add_title },
        { "STATUS", .fn = add_status },
        { "ERROR", .fn = add_error },
        { "MESSAGE", "message" },
        {},
};

static int list_requests(struct cli *cli, struct nx_manager *manager)
{
        _cleanup_list_ struct nx_list *requests = NULL;

        if (nx_manager_list_requests(manager, &requests))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(cli->json, requests, columns, "No request was made yet.");
        return CLI_OK;
}

static int show_request(struct cli *cli, struct nx_manager *manager, uint64_t number)
{
        _cleanup_list_ struct nx_list *request = NULL;
        struct emitter json = EMITTER_INIT(stdout);

        if (nx_manager_get_request(manager, number, &request))
                return cli_complain("%s", nx_manager_get_error(manager));
        if (cli->json)
                emit_record(&json, NULL, nx_list_get(request, 0));
        else
                extension_print_records(cli, request);
        return CLI_OK;
}

static int parse_number(const char *word, uint64_t *ret)
{
        char *end;

        errno = 0;
        *ret = strtoull(word, &end, 10);
        if (errno || *end || end == word || *word == '-')
                return cli_complain("'%s' is not the number of a request", word);
        return CLI_OK;
}

int verb_extension_request(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = NULL;
        uint64_t number = 0;

        if (cli->n_arguments > 0 && parse_number(cli->arguments[0], &number) != CLI_OK)
                return CLI_USAGE;
        if (cli->n_arguments == 0 && wait_for_it) {
                cli_complain("--wait needs the number of a request");
                return CLI_USAGE;
        }
        manager = cli_open(cli->instance);
        if (!manager)
                return CLI_FAILED;
        if (cli->n_arguments == 0)
                return list_requests(cli, manager);
        return wait_for_it ? extension_wait(cli, manager, number, false)
                           : show_request(cli, manager, number);
}
