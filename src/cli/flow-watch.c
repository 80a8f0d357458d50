/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl flow watch: a line for each event, written when it happens. A line stands
 * alone, so widths are fixed and not those of the longest; JSON is an object a line.
 */

#include <inttypes.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/flow.h"
#include "cli/output/writer.h"

#define WORD_WIDTH    6
#define PROGRAM_WIDTH 18
#define REMOTE_WIDTH  40

static bool packages;

const struct cli_option flow_watch_options[] = {
        { "packages", NULL, "of which package each program is", .flag = &packages },
        {},
};

struct watch {
        bool json;
        bool coloured;
};

/* Each event has a time of its own. */
static uint64_t event_time(const struct nx_properties *flow, const char *event)
{
        if (strcmp(event, "closed") == 0)
                return nx_properties_get_uint64(flow, "closed_ns");
        if (strcmp(event, "decided") == 0)
                return nx_properties_get_uint64(flow, "decided_ns");
        return nx_properties_get_uint64(flow, "started_ns");
}

static void print_event(const struct nx_properties *flow, bool coloured)
{
        const char *event = nx_properties_get_string(flow, "event") ?: "";
        uint64_t n_missed = nx_properties_get_uint64(flow, "missed");
        const char *word = strcmp(event, "decided") == 0 ? flow_outcome(flow) : event;
        enum table_colour colour = coloured ? flow_outcome_colour(word) : TABLE_PLAIN;
        _cleanup_free_ char *time = time_of_day(event_time(flow, event));
        _cleanup_free_ char *program = flow_program(flow);
        _cleanup_free_ char *remote = flow_remote(flow);
        _cleanup_free_ char *why = flow_why(flow);

        if (n_missed > 0)
                printf("%" PRIu64 " events before this one are missing: they came faster than they "
                       "were read\n",
                       n_missed);
        printf("%s  %s", time, colour_on(colour));
        print_padded(stdout, word, WORD_WIDTH);
        printf("%s  ", colour_off(colour));
        print_padded(stdout, program, PROGRAM_WIDTH);
        printf("  ");
        print_padded(stdout, remote, *why ? REMOTE_WIDTH : 0);
        printf("%s", *why ? "  " : "");
        print_padded(stdout, why, 0);
        putchar('\n');
}

static int handle_event(const struct nx_properties *flow, void *userdata)
{
        const struct watch *watch = userdata;
        struct emitter json = EMITTER_INIT(stdout);

        if (watch->json)
                emit_record(&json, NULL, flow);
        else
                print_event(flow, watch->coloured);
        return ferror(stdout) ? CLI_FAILED : 0;
}

int verb_flow_watch(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = cli_open(cli->instance);
        struct watch watch = { .json = cli->json, .coloured = colour_wanted(stdout) };
        int r;

        if (!manager)
                return CLI_FAILED;
        nx_manager_want_packages(manager, packages);
        writer_begin_watch();
        r = nx_manager_watch_flows(manager, handle_event, &watch);
        if (r < 0)
                return cli_complain("%s", nx_manager_get_error(manager));
        return CLI_OK;
}
