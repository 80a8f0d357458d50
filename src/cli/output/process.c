/* SPDX-License-Identifier: Apache-2.0 */

/* See process.h. */

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/flow.h"
#include "cli/output/process.h"

void process_add_pid(struct table *table, const struct nx_properties *properties)
{
        bool is_of_sessions = nx_properties_get_string(properties, "pids");
        _cleanup_free_ char *pid = property_to_text(properties, is_of_sessions ? "pids" : "pid");
        uint64_t n_leaving = nx_properties_get_uint64(properties, "leaving");

        if (n_leaving)
                table_add_taken(table, cli_format("%s (%lu leaving)", *pid ? pid : "0", n_leaving));
        else
                table_add_taken(table, take_ptr(pid));
}

void process_add_since(struct table *table, const struct nx_properties *properties)
{
        uint64_t since = nx_properties_get_uint64(properties, "running_since_ns");

        table_add_taken(table, since ? time_and_date(since) : NULL);
}
