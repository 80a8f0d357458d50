/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Flows of datagrams that other hosts began. Such a flow is over when the server's socket is, or
 * when nothing has passed either way for PASSED_SECONDS: then the kernel has forgotten it
 * (steer/passed.h), and what comes later is another one, which is asked about. It is looked for
 * once in that time, whatever passes.
 */

#include "base/wheel.h"

struct flow;
struct flow_table;
struct hooks;
struct loop;
struct passed;

struct callers {
        struct loop *loop; /* all borrowed */
        struct hooks *hooks;
        const struct passed *passed;
        struct flow_table *flows;
        void (*flow_closed)(struct flow *flow, void *userdata); /* because it was idle */
        void *userdata;

        struct wheel idle; /* flow.idle_timer */
};

void callers_init(struct callers *callers);
void callers_deinit(struct callers *callers);
/* Of any flow, after its verdict. */
void callers_decided(struct callers *callers, struct flow *flow);
/* Of any flow that is over, whoever ended it. */
void callers_closed(struct callers *callers, struct flow *flow);
