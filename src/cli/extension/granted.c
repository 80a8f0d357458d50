/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl extension inspect, of one that is installed: what it may do, and who granted that. */

#include "cli/cleanup.h"
#include "cli/extension/extension.h"
#include "cli/output/flow.h"
#include "cli/output/writer.h"

static void add_effective(struct table *table, const struct nx_properties *capability)
{
        bool is_effective = nx_properties_get_bool(capability, "effective");

        table_add_coloured(table, is_effective ? TABLE_GREEN : TABLE_YELLOW,
                           is_effective ? "yes" : "no");
}

static void add_asker(struct table *table, const struct nx_properties *capability)
{
        table_add_taken(table, cli_format("manifest.json, %s",
                                          nx_properties_get_string(capability, "asked_for_by")
                                                  ?: "not signed by anybody"));
}

static void add_request(struct table *table, const struct nx_properties *capability)
{
        uint64_t request = nx_properties_get_uint64(capability, "approved_request");

        table_add_taken(table, request ? property_to_text(capability, "approved_request") : NULL);
}

static void add_since(struct table *table, const struct nx_properties *capability)
{
        uint64_t since = nx_properties_get_uint64(capability, "granted_ns");

        table_add_taken(table, since ? time_and_date(since) : NULL);
}

static void add_trust(struct table *table, const struct nx_properties *capability)
{
        const char *who = nx_properties_get_string(capability, "developer_by");

        table_add_taken(table, who ? cli_format("developer mode, by %s", who) : NULL);
}

static const struct writer_column columns[] = {
        { "CAPABILITY", "capability" },
        { "IN EFFECT", .fn = add_effective },
        { "ASKED FOR BY", .fn = add_asker },
        { "GRANTED BY", "granted_by" },
        { "SINCE", .fn = add_since },
        { "REQUEST", .fn = add_request },
        { "SIGNER LET IN BY", .fn = add_trust },
        {},
};

int extension_show_granted(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        _cleanup_list_ struct nx_list *capabilities = NULL;

        if (!manager)
                return cli_complain("there is no bundle '%s' here, and nobody to ask about an "
                                    "extension of that name",
                                    cli->arguments[0]);
        if (nx_manager_inspect_extension(manager, cli->arguments[0], &capabilities))
                return cli_complain("%s", nx_manager_get_error(manager));
        writer_list(cli->json, capabilities, columns, "It asks for no capability.");
        return CLI_OK;
}
