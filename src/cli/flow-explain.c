/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl flow explain: all that is known of one flow, as a person would tell it. */

#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include <time.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/flow.h"
#include "cli/output/escape.h"
#include "cli/output/writer.h"

/* Takes text over. */
static void print_fact(const char *name, char *text)
{
        printf("  %-9s ", name);
        escape_text(stdout, text);
        putchar('\n');
        free(text);
}

static void print_text(const struct nx_properties *flow, const char *name, const char *key)
{
        const char *text = nx_properties_get_string(flow, key);

        if (text && *text)
                print_fact(name, cli_format("%s", text));
}

static uint64_t clock_ns(clockid_t clock)
{
        struct timespec now;

        clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* Process times count from boot; people's clocks do not. */
static char *process_start(uint64_t boottime_ns)
{
        return time_and_date(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME) + boottime_ns);
}

static char *user_name(uint64_t uid)
{
        const struct passwd *user = getpwuid((uid_t)uid);

        return user ? cli_format("%s (%" PRIu64 ")", user->pw_name, uid)
                    : cli_format("%" PRIu64, uid);
}

/* "/usr/bin/bash, /usr/sbin/sshd" of lines. The caller's. */
static char *join_lines(const char *lines)
{
        char *text = cli_format("%.*s", (int)strcspn(lines, "\n"), lines);

        while ((lines = strchr(lines, '\n'))) {
                _cleanup_free_ char *before = text;

                lines++;
                text = cli_format("%s, %.*s", before, (int)strcspn(lines, "\n"), lines);
        }
        return text;
}

/* The nearest first; and whom the flow is put down to, where that is one of them. */
static void print_parents(const struct nx_properties *flow)
{
        const char *parents = nx_properties_get_string(flow, "parents");
        const char *responsible = flow_responsible(flow);

        if (parents)
                print_fact("parents", join_lines(parents));
        if (responsible)
                print_fact("acts for",
                           cli_format("%s, process %" PRIu64, responsible,
                                      nx_properties_get_uint64(flow, "responsible_pid")));
}

static void print_owner(const struct nx_properties *flow)
{
        const char *owner = nx_properties_get_string(flow, "owner") ?: "unattributed";
        const char *program = nx_properties_get_string(flow, "program") ?: "";
        _cleanup_free_ char *started = NULL;

        if (strcmp(owner, "program") != 0) {
                print_fact("program",
                           cli_format("%s", strcmp(owner, "kernel") == 0
                                                    ? "none: the kernel's own socket"
                                                    : "unknown: the kernel could not say"));
                return;
        }
        started = process_start(nx_properties_get_uint64(flow, "process_started_ns"));
        print_fact("program",
                   cli_format("%s%s", *program ? program : "path unknown",
                              nx_properties_get_bool(flow, "program_path_trusted")
                                      ? ""
                                      : " (not as the path says here: in a container or a "
                                        "namespace of its user)"));
        print_text(flow, "digest", "program_digest");
        print_text(flow, "signer", "signer");
        print_text(flow, "package", "package");
        print_fact("process", cli_format("%" PRIu64 ", started %s%s",
                                         nx_properties_get_uint64(flow, "pid"), started,
                                         nx_properties_get_bool(flow, "owner_is_holder")
                                                 ? "; it had the socket when netext looked"
                                                 : ""));
        print_text(flow, "command", "command_line");
        print_parents(flow);
        print_fact("user", user_name(nx_properties_get_uint64(flow, "uid")));
        print_text(flow, "cgroup", "cgroup");
        print_text(flow, "unit", "unit");
        print_text(flow, "container", "container");
}

/* Who else had a hand in its socket. */
static void print_other(const struct nx_properties *flow, const char *name, const char *pid_key,
                        const char *program_key)
{
        const char *program = nx_properties_get_string(flow, program_key) ?: "";

        if (nx_properties_has(flow, pid_key))
                print_fact(name,
                           cli_format("%s, process %" PRIu64, *program ? program : "path unknown",
                                      nx_properties_get_uint64(flow, pid_key)));
}

/* On whose behalf, where the program above only sends the bytes on. */
static void print_origin(const struct nx_properties *flow)
{
        const char *program = nx_properties_get_string(flow, "origin_program");
        uint64_t origin = nx_properties_get_uint64(flow, "origin_flow");

        if (program)
                print_fact("for", cli_format("flow %" PRIu64 " of %s, process %" PRIu64, origin,
                                             *program ? program : "path unknown",
                                             nx_properties_get_uint64(flow, "origin_pid")));
        else if (origin)
                print_fact("for", cli_format("flow %" PRIu64, origin));
}

/* Of what a resolver of this host asks others for. */
static void print_hint(const struct nx_properties *flow)
{
        const char *program = nx_properties_get_string(flow, "hint_on_behalf_of");

        if (program)
                print_fact("maybe for",
                           cli_format("%s, process %" PRIu64 "%s, which asked for that name",
                                      *program ? program : "path unknown",
                                      nx_properties_get_uint64(flow, "hint_on_behalf_of_pid"),
                                      nx_properties_get_bool(flow, "hint_on_behalf_of_several")
                                              ? " (the first of several)"
                                              : ""));
}

/* What ended it, where that was not its program. */
static char *end_of(const struct nx_properties *flow)
{
        const char *by = nx_properties_get_string(flow, "ended_by") ?: "";

        if (strcmp(by, "idle") == 0)
                return cli_format(": no datagram passed for as long as its proxy waits");
        if (strcmp(by, "extension") == 0)
                return cli_format(": by the extension that had it");
        if (strcmp(by, "filter") == 0)
                return cli_format(": by %s, which changed its verdict",
                                  nx_properties_get_string(flow, "ended_session") ?: "a filter");
        if (strcmp(by, "person") == 0)
                return cli_format(": by somebody who asked netextd for it");
        if (strcmp(by, "judged-again") == 0)
                return cli_format(": it was judged again, and denied");
        return cli_format("%s", "");
}

/* Nobody saw it begin. */
static void print_older_times(const struct nx_properties *flow)
{
        uint64_t decided = nx_properties_get_uint64(flow, "decided_ns");
        uint64_t closed = nx_properties_get_uint64(flow, "closed_ns");

        print_fact("started", cli_format("before netext looked"));
        if (decided)
                print_fact("decided", time_and_date(decided));
        if (closed) {
                _cleanup_free_ char *when = time_and_date(closed), *end = end_of(flow);

                print_fact("closed", cli_format("%s%s", when, end));
        }
}

static void print_times(const struct nx_properties *flow)
{
        uint64_t started = nx_properties_get_uint64(flow, "started_ns");
        uint64_t decided = nx_properties_get_uint64(flow, "decided_ns");
        uint64_t closed = nx_properties_get_uint64(flow, "closed_ns");

        if (!started) {
                print_older_times(flow);
                return;
        }
        print_fact("started", time_and_date(started));
        if (decided == started) {
                print_fact("decided", cli_format("at once"));
        } else if (decided > started) {
                _cleanup_free_ char *held = time_span(decided - started);

                print_fact("decided", cli_format("after %s", held));
        }
        if (closed > started) {
                _cleanup_free_ char *when = time_and_date(closed),
                                    *lasted = time_span(closed - started), *end = end_of(flow);

                print_fact("closed", cli_format("%s, after %s%s", when, lasted, end));
        }
}

/* Known when it is over, and only of some. */
static void print_bytes(const struct nx_properties *flow)
{
        if (nx_properties_has(flow, "bytes_outbound"))
                print_fact("bytes", cli_format("%" PRIu64 " out, %" PRIu64 " in",
                                               nx_properties_get_uint64(flow, "bytes_outbound"),
                                               nx_properties_get_uint64(flow, "bytes_inbound")));
}

static void print_verdict(const struct nx_properties *flow)
{
        const char *outcome = flow_outcome(flow);
        enum table_colour colour =
                colour_wanted(stdout) ? flow_outcome_colour(outcome) : TABLE_PLAIN;
        _cleanup_free_ char *why = flow_why(flow);

        printf("  %-9s %s", "verdict", colour_on(colour));
        escape_text(stdout, outcome);
        printf("%s%s", colour_off(colour), *why ? ", " : "");
        escape_text(stdout, why);
        printf("\n            %s\n",
               flow_reason_sentence(nx_properties_get_string(flow, "reason")));
}

static void explain(const struct nx_properties *flow)
{
        _cleanup_free_ char *remote = flow_remote(flow);
        _cleanup_free_ char *local = flow_endpoint(flow, "local");
        _cleanup_free_ char *title = NULL;
        const char *direction = nx_properties_get_string(flow, "direction") ?: "";
        bool is_inbound = strcmp(direction, "inbound") == 0;

        title = cli_format("Flow %" PRIu64 ": %s %s, %s", nx_properties_get_uint64(flow, "flow"),
                           direction, remote, nx_properties_get_string(flow, "state") ?: "");
        escape_text(stdout, title);
        printf("\n\n");
        print_owner(flow);
        print_other(flow, "made by", "creator_pid", "creator_program");
        print_other(flow, "last sent", "last_sender_pid", "last_sender_program");
        print_origin(flow);
        print_hint(flow);
        /* What was denied at once never got a local end. */
        if (nx_properties_has(flow, "local_address"))
                print_fact(is_inbound ? "to" : "from", cli_format("%s", local));
        print_text(flow, "through", "interface");
        print_times(flow);
        print_bytes(flow);
        putchar('\n');
        print_verdict(flow);
}

int verb_flow_explain(struct cli *cli)
{
        _cleanup_manager_ struct nx_manager *manager = NULL;
        _cleanup_list_ struct nx_list *flows = NULL;
        struct emitter json = EMITTER_INIT(stdout);
        uint64_t identifier;

        if (flow_parse_identifier(cli->arguments[0], &identifier)) {
                cli_complain("'%s' is not a flow's number; 'netextctl flow list' shows them",
                             cli->arguments[0]);
                return CLI_USAGE;
        }
        manager = cli_open(cli->instance);
        if (!manager)
                return CLI_FAILED;
        if (nx_manager_get_flow(manager, identifier, &flows) || nx_list_get_count(flows) == 0)
                return cli_complain("flow %" PRIu64 ": %s", identifier,
                                    nx_manager_get_error(manager));
        if (cli->json)
                emit_record(&json, NULL, nx_list_get(flows, 0));
        else
                explain(nx_list_get(flows, 0));
        return CLI_OK;
}
