/* SPDX-License-Identifier: Apache-2.0 */

/* A filter of the benchmarks: pauses flows to one port for ever, and allows all others. */

#include <netext/extension.h>

#define PAUSED_PORT 7001

static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
                                       void *userdata)
{
        if (nx_flow_get_remote_port(flow) != PAUSED_PORT)
                return NX_VERDICT_ALLOW;
        (void)nx_flow_ref(flow);
        return NX_VERDICT_PAUSE;
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "filter-pause",
                .filter = { .handle_new_flow = handle_new_flow },
        };

        return nx_main(&extension, NULL);
}
