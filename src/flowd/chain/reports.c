/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Counts come from where the bytes are: TCP's from the kernel, by asking for the socket while it is
 * open and with the event that ends it; those of datagrams from the programs that count them
 * (steer/counts.h); and of what went through our hands from those who carried it.
 *
 * The last report of a flow of datagrams waits for a tick: a datagram that was held can leave after
 * its program has closed the socket.
 */

#include "chain/reports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "chain/chain.h"
#include "chain/successor.h"
#include "flow/table.h"
#include "steer/sockets.h"

#define NS_PER_MS 1000000ULL

static uint64_t period_of(enum nx_report_frequency frequency)
{
        static const uint64_t periods_ms[] = {
                [NX_REPORT_FREQUENCY_LOW] = 5000,
                [NX_REPORT_FREQUENCY_MEDIUM] = 1000,
                [NX_REPORT_FREQUENCY_HIGH] = 500,
        };

        return (size_t)frequency < ARRAY_SIZE(periods_ms) ? periods_ms[frequency] * NS_PER_MS : 0;
}

/* --- counting --------------------------------------------------------------------------- */

static struct steer_counted_flow counted_flow(const struct flow *flow)
{
        struct steer_counted_flow counted = {
                .cookie = flow->socket_cookie,
                .remote_port = flow->remote.port,
        };

        memcpy(&counted.remote, &flow->remote.address, sizeof(counted.remote));
        return counted;
}

static void begin_counting(struct reports *reports, struct flow *flow)
{
        const struct steer_counted_flow counted = counted_flow(flow);

        if (flow->protocol == IPPROTO_TCP)
                counts_want_tally(&reports->counts, true);
        else
                flow->reports->is_counted =
                        counted.cookie && counts_watch(&reports->counts, &counted) >= 0;
}

static void stop_counting(struct reports *reports, struct flow *flow)
{
        const struct steer_counted_flow counted = counted_flow(flow);

        if (flow->protocol == IPPROTO_TCP)
                counts_want_tally(&reports->counts, false);
        else if (flow->reports->is_counted)
                counts_forget(&reports->counts, &counted);
}

static bool count_connection(const struct flow *flow, struct flow_bytes *ret_bytes)
{
        const struct socket_name name = {
                .protocol = IPPROTO_TCP,
                .local = flow->local,
                .remote = flow->remote,
                .cookie = flow->socket_cookie,
                .interface = flow->interface,
        };
        struct socket_found found;

        return sockets_find(&name, &found) >= 0 &&
               counts_of_connection(flow->direction, &found.tally, ret_bytes);
}

static bool count_now(struct reports *reports, const struct flow *flow,
                      struct flow_bytes *ret_bytes)
{
        const struct steer_counted_flow counted = counted_flow(flow);

        if (flow->protocol == IPPROTO_TCP)
                return count_connection(flow, ret_bytes);
        return flow->reports->is_counted && counts_read(&reports->counts, &counted, ret_bytes);
}

static void set_counts(struct flow *flow, const struct flow_bytes *bytes)
{
        flow->bytes_outbound = bytes->outbound;
        flow->bytes_inbound = bytes->inbound;
        flow->has_counts = true;
}

void reports_note_tally(struct flow *flow, const struct steer_tally *tally)
{
        struct flow_bytes bytes;

        if (flow->reports && !flow->delivery && !flow->has_counts &&
            counts_of_connection(flow->direction, tally, &bytes))
                set_counts(flow, &bytes);
}

/* --- telling ---------------------------------------------------------------------------- */

static enum nx_filter_action action_of(const struct flow *flow)
{
        if (flow_was_ended(flow) ||
            (flow->verdict != NX_VERDICT_ALLOW && flow->verdict != NX_VERDICT_CLAIM))
                return NX_FILTER_ACTION_DROP;
        return flow->n_inspectors > 0 ? NX_FILTER_ACTION_FILTER_DATA : NX_FILTER_ACTION_ALLOW;
}

static bool is_reporter(const struct flow_reporter *reporter, const struct session *session)
{
        return reporter->slot == session->slot && reporter->activation == session->activation &&
               reporter->run == session->run;
}

static struct session *find_session(struct chain *chain, const struct flow_reporter *reporter)
{
        return successor_find_run(chain, reporter->slot, reporter->activation, reporter->run);
}

static void tell(struct reports *reports, const struct flow *flow,
                 const struct flow_reporter *reporter, const struct session_report *report)
{
        struct session *session = find_session(reports->chain, reporter);

        if (session)
                session_report_flow(session, flow, report);
}

static void tell_all(struct reports *reports, const struct flow *flow,
                     const struct session_report *report)
{
        for (unsigned int i = 0; i < flow->reports->n; i++)
                tell(reports, flow, &flow->reports->reporters[i], report);
}

void reports_decided(struct reports *reports, struct flow *flow)
{
        const struct session_report report = { .event = NX_REPORT_NEW_FLOW,
                                               .action = action_of(flow) };

        if (!flow->reports)
                return;
        tell_all(reports, flow, &report);
        if (flow->closed_ns)
                reports_closed(reports, flow);
}

void reports_data_decided(struct reports *reports, const struct session *session, struct flow *flow,
                          enum nx_verdict verdict)
{
        const struct session_report report = {
                .event = NX_REPORT_DATA_DECISION,
                .action =
                        verdict == NX_VERDICT_DROP ? NX_FILTER_ACTION_DROP : NX_FILTER_ACTION_ALLOW,
        };

        for (unsigned int i = 0; flow->reports && i < flow->reports->n; i++)
                if (is_reporter(&flow->reports->reporters[i], session))
                        tell(reports, flow, &flow->reports->reporters[i], &report);
}

static void wait_for(struct reports *reports, struct flow_reports *of, uint64_t deadline_ns)
{
        wheel_timer_start(&reports->wheel, &of->timer, deadline_ns);
}

static void wait_for_next(struct reports *reports, struct flow_reports *of)
{
        uint64_t next_ns = UINT64_MAX;

        for (unsigned int i = 0; i < of->n; i++)
                if (of->reporters[i].period_ns && of->reporters[i].next_ns < next_ns)
                        next_ns = of->reporters[i].next_ns;
        if (next_ns != UINT64_MAX)
                wait_for(reports, of, next_ns);
}

static void tell_last(struct reports *reports, struct flow *flow)
{
        struct session_report report = { .event = NX_REPORT_FLOW_CLOSED,
                                         .action = action_of(flow) };
        struct flow_bytes bytes;

        if (!flow->has_counts && flow->protocol == IPPROTO_UDP && count_now(reports, flow, &bytes))
                set_counts(flow, &bytes);
        report.has_counts = flow->has_counts;
        report.bytes = (struct flow_bytes){ flow->bytes_outbound, flow->bytes_inbound };
        tell_all(reports, flow, &report);
        wheel_timer_stop(&flow->reports->timer);
        stop_counting(reports, flow);
        free(take_ptr(flow->reports));
}

void reports_closed(struct reports *reports, struct flow *flow)
{
        if (!flow->reports || flow->delivery || flow->reports->is_closing)
                return;
        if (flow->protocol == IPPROTO_TCP) {
                tell_last(reports, flow);
                return;
        }
        flow->reports->is_closing = true;
        wait_for(reports, flow->reports, now_ns());
}

static void tell_statistics(struct reports *reports, struct flow_reports *of)
{
        struct session_report report = { .event = NX_REPORT_STATISTICS,
                                         .action = action_of(of->flow) };
        uint64_t now = now_ns();

        report.has_counts = count_now(reports, of->flow, &report.bytes);
        for (unsigned int i = 0; i < of->n; i++) {
                struct flow_reporter *reporter = &of->reporters[i];

                if (!reporter->period_ns || reporter->next_ns > now)
                        continue;
                tell(reports, of->flow, reporter, &report);
                reporter->next_ns += reporter->period_ns;
                if (reporter->next_ns < now) /* we were away */
                        reporter->next_ns = now + reporter->period_ns;
        }
}

static void on_due(struct wheel_timer *timer, void *userdata)
{
        struct flow_reports *of = container_of(timer, struct flow_reports, timer);
        struct reports *reports = userdata;

        if (of->is_closing) {
                tell_last(reports, of->flow);
                return;
        }
        if (of->flow->verdict != NX_VERDICT_NONE && !of->flow->closed_ns)
                tell_statistics(reports, of);
        wait_for_next(reports, of);
}

/* --- who wants them --------------------------------------------------------------------- */

static struct flow_reports *make_room(struct reports *reports, struct flow *flow)
{
        unsigned int n = flow->reports ? flow->reports->n : 0;
        struct flow_reports *of;

        if (flow->reports)
                wheel_timer_stop(&flow->reports->timer);
        of = realloc(flow->reports, sizeof(*of) + (n + 1) * sizeof(of->reporters[0]));
        if (!of)
                return NULL;
        if (n == 0)
                *of = (struct flow_reports){ .flow = flow };
        wheel_timer_init(&of->timer);
        flow->reports = of;
        if (n == 0)
                begin_counting(reports, flow);
        return of;
}

/* Without memory there are no reports. */
void reports_want(struct reports *reports, const struct session *session, struct flow *flow,
                  enum nx_report_frequency frequency)
{
        struct flow_reports *of = make_room(reports, flow);
        uint64_t period_ns = period_of(frequency);

        if (!of)
                return;
        of->reporters[of->n++] = (struct flow_reporter){
                .slot = session->slot,
                .activation = session->activation,
                .run = session->run,
                .period_ns = period_ns,
                .next_ns = now_ns() + period_ns,
        };
        wait_for_next(reports, of);
}

void reports_open(struct reports *reports, struct chain *chain)
{
        *reports = (struct reports){ .chain = chain, .counts = { .hooks = chain->hooks } };
        wheel_init(&reports->wheel, chain->loop, on_due, reports);
}

void reports_close(struct reports *reports)
{
        wheel_deinit(&reports->wheel);
        counts_stop(&reports->counts);
}
