/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A flow of which reports are wanted is kept until the last one. While it is inspected it is kept
 * for that, and afterwards for its reports.
 */

#include <errno.h>

#include "sdk/kept.h"
#include "sdk/provider.h"
#include "sdk/public.h"
#include "sdk/report.h"
#include "sdk/verdict.h"

static const struct nx_filter_provider *functions_of(const struct session *session)
{
        return &session->provider->extension.filter;
}

static struct nx_report read_report(const struct wire_message *message)
{
        return (struct nx_report){
                .event = (enum nx_report_event)wire_get(message, WIRE_ATTR_REPORT_EVENT),
                .action = (enum nx_filter_action)wire_get(message, WIRE_ATTR_ACTION),
                .has_counts = wire_has(message, WIRE_ATTR_BYTES_OUTBOUND),
                .bytes_outbound = wire_get(message, WIRE_ATTR_BYTES_OUTBOUND),
                .bytes_inbound = wire_get(message, WIRE_ATTR_BYTES_INBOUND),
        };
}

int report_handle(struct session *session, const struct wire_message *message)
{
        const struct nx_report report = read_report(message);
        _cleanup_(cleanup_flow) struct nx_flow *flow = kept_find(session, message);

        if (!flow)
                return 0;
        nx_flow_ref(flow);
        if (report.event == NX_REPORT_FLOW_CLOSED)
                kept_end(flow, FLOW_OVER);
        if (functions_of(session)->handle_report)
                functions_of(session)->handle_report(&session->filter, flow, &report,
                                                     session->provider->userdata);
        return 0;
}

_public_ int nx_flow_want_reports(struct nx_flow *flow, enum nx_report_frequency frequency)
{
        int r;

        r = verdict_is_due(flow);
        if (r < 0)
                return r;
        if (flow->run->session->role != &filter_role ||
            !functions_of(flow->run->session)->handle_report ||
            frequency < NX_REPORT_FREQUENCY_NONE || frequency > NX_REPORT_FREQUENCY_HIGH)
                return -EINVAL;
        flow->wants_reports = true;
        flow->report_frequency = frequency;
        return 0;
}
