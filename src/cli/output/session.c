/* SPDX-License-Identifier: Apache-2.0 */

/* A session in a table, for `session list` and `status`. */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/flow.h"
#include "cli/output/session.h"

static void add_state(struct table *table, const struct nx_properties *session)
{
        const char *state = nx_properties_get_string(session, "state") ?: "";
        enum table_colour colour = strcmp(state, "running") == 0  ? TABLE_GREEN
                                   : strcmp(state, "failed") == 0 ? TABLE_RED
                                                                  : TABLE_YELLOW;

        table_add_coloured(table, colour, state);
}

static void add_pid(struct table *table, const struct nx_properties *session)
{
        uint64_t pid = nx_properties_get_uint64(session, "pid");

        table_add_taken(table, pid ? property_to_text(session, "pid") : NULL);
}

static void add_since(struct table *table, const struct nx_properties *session)
{
        uint64_t since = nx_properties_get_uint64(session, "running_since_ns");

        table_add_taken(table, since ? time_and_date(since) : NULL);
}

const struct writer_column session_columns[] = {
        { "NAME", "name" },
        { "KIND", "kind" },
        { "STATE", .fn = add_state },
        { "PID", .fn = add_pid },
        { "RUNNING SINCE", .fn = add_since },
        { "GRADE", "grade" },
        { "ORDER", "order" },
        { "FAIL POLICY", "fail_policy" },
        { "RESTARTS", "restarts" },
        { "LAST EXIT", "last_exit" },
        { "MESSAGE", "message" },
        {},
};
