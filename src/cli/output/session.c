/* SPDX-License-Identifier: Apache-2.0 */

/* A session in a table, for `session list` and `status`. */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/process.h"
#include "cli/output/session.h"

static void add_state(struct table *table, const struct nx_properties *session)
{
        const char *state = nx_properties_get_string(session, "state") ?: "";
        enum table_colour colour = strcmp(state, "running") == 0  ? TABLE_GREEN
                                   : strcmp(state, "failed") == 0 ? TABLE_RED
                                                                  : TABLE_YELLOW;

        table_add_coloured(table, colour, state);
}

const struct writer_column session_columns[] = {
        { "NAME", "name" },
        { "KIND", "kind" },
        { "STATE", .fn = add_state },
        { "PID", .fn = process_add_pid },
        { "RUNNING SINCE", .fn = process_add_since },
        { "GRADE", "grade" },
        { "ORDER", "order" },
        { "FAIL POLICY", "fail_policy" },
        { "RESTARTS", "restarts" },
        { "LAST EXIT", "last_exit" },
        { "MESSAGE", "message" },
        {},
};
