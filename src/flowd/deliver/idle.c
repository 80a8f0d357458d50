/* SPDX-License-Identifier: Apache-2.0 */

/* What has become of the flow in the meantime is seen here, so nobody needs to stop the timer. */

#include <errno.h>

#include "chain/session.h"
#include "chain/settings.h"
#include "deliver/delivery.h"
#include "deliver/idle.h"
#include "flow/flow.h"
#include "steer/passed.h"

#define NS_PER_S 1000000000ULL

static void wait_for(struct delivery *delivery, uint64_t time_ns)
{
        wheel_timer_start(&delivery->all->idle, &delivery->idle_timer, now_ns() + time_ns);
}

static void on_due(struct wheel_timer *timer, void *userdata)
{
        struct delivery *delivery = container_of(timer, struct delivery, idle_timer);
        const struct flow *flow = delivery->flow;
        uint64_t idle_ns = 0;
        int r;

        if (flow->closed_ns)
                return; /* filters have a moment for the last of it */
        r = passed_get_idle(delivery->all->passed, PASSED_CLAIMED, &flow->local, &flow->remote,
                            &idle_ns);
        if (r == -ENOENT || idle_ns >= delivery->idle_ns)
                delivery_end_datagrams(delivery, WIRE_END_IDLE, -ETIMEDOUT);
        else
                wait_for(delivery, delivery->idle_ns - idle_ns);
}

void idle_open(struct deliveries *deliveries)
{
        wheel_init(&deliveries->idle, deliveries->loop, on_due, deliveries);
}

void idle_close(struct deliveries *deliveries)
{
        wheel_deinit(&deliveries->idle);
}

void idle_begin(struct delivery *delivery)
{
        const struct settings *settings = delivery->session->rules;

        delivery->idle_ns = settings ? settings->udp_idle_s * NS_PER_S : 0;
        if (delivery->idle_ns)
                wait_for(delivery, delivery->idle_ns);
}
