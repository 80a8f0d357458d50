/* SPDX-License-Identifier: Apache-2.0 */

/* A server may answer a caller for as long as the flow lasts (bpf/steer.bpf.c, callers). */

#include <errno.h>

#include "base/cleanup.h"
#include "deliver/delivery.h"
#include "engine/callers.h"
#include "flow/table.h"
#include "steer/hooks.h"
#include "steer/passed.h"

#define IDLE_NS (PASSED_SECONDS * 1000000000ULL)

static void wait_for(struct callers *callers, struct flow *flow, uint64_t time_ns)
{
        wheel_timer_start(&callers->idle, &flow->idle_timer, now_ns() + time_ns);
}

static void end(struct callers *callers, struct flow *flow)
{
        if (flow->delivery) {
                delivery_end_datagrams(flow->delivery, WIRE_END_IDLE, 0);
                return;
        }
        passed_forget(callers->passed, &flow->local, &flow->remote); /* should one come just now */
        flow->ended_by = WIRE_END_IDLE;
        flow_table_close(callers->flows, flow, now_ns());
        callers->flow_closed(flow, callers->userdata);
}

static void on_due(struct wheel_timer *timer, void *userdata)
{
        struct flow *flow = container_of(timer, struct flow, idle_timer);
        struct callers *callers = userdata;
        static const enum passed_kind kinds[] = { PASSED_SERVED, PASSED_WATCHED, PASSED_HEARD };
        uint64_t idle_ns = 0;
        int r = -ENOENT;

        for (size_t i = 0; i < ARRAY_SIZE(kinds) && r == -ENOENT; i++)
                r = passed_get_idle(callers->passed, kinds[i], &flow->local, &flow->remote,
                                    &idle_ns);
        if (r == -ENOENT || idle_ns >= IDLE_NS)
                end(callers, flow);
        else
                wait_for(callers, flow, IDLE_NS - idle_ns);
}

void callers_init(struct callers *callers)
{
        wheel_init(&callers->idle, callers->loop, on_due, callers);
}

void callers_deinit(struct callers *callers)
{
        wheel_deinit(&callers->idle);
}

void callers_decided(struct callers *callers, struct flow *flow)
{
        if (flow_is_call(flow) && flow->verdict == NX_VERDICT_ALLOW && !flow->closed_ns)
                wait_for(callers, flow, IDLE_NS);
}

void callers_closed(struct callers *callers, struct flow *flow)
{
        if (!flow_is_call(flow))
                return;
        wheel_timer_stop(&flow->idle_timer);
        if (!flow->is_for_group)
                hooks_forget_caller(callers->hooks, &flow->local, &flow->remote);
}
