/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reports of flows, to the filters that want them: of the verdict, of how many bytes there were by
 * now, of the end. Nobody else's flow costs anything, and while nobody wants statistics nothing
 * wakes up. What cannot be counted is reported without counts.
 */

#include "base/wheel.h"
#include "flow/flow.h"
#include "steer/counts.h"
#include <netext/filter.h>

struct chain;
struct session;

struct reports {
        struct chain *chain; /* borrowed */
        struct wheel wheel;  /* flow_reports.timer */
        struct counts counts;
};

void reports_open(struct reports *reports, struct chain *chain);
void reports_close(struct reports *reports);

/* With its verdict, not yet known to anybody. */
void reports_want(struct reports *reports, const struct session *session, struct flow *flow,
                  enum nx_report_frequency frequency);
/* Of any flow that was decided; of any about whose bytes session has decided by ALLOW or DROP; and
 * of any that is over, also once it is out of our hands. */
void reports_decided(struct reports *reports, struct flow *flow);
void reports_data_decided(struct reports *reports, const struct session *session, struct flow *flow,
                          enum nx_verdict verdict);
void reports_closed(struct reports *reports, struct flow *flow);
/* What the kernel said of a connection as its program closed it, or before it was aborted. */
void reports_note_tally(struct flow *flow, const struct steer_tally *tally);
