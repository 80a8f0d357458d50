/* SPDX-License-Identifier: Apache-2.0 */

/* A filter of the benchmarks: allows what it is asked about, and has the kernel remember it. */

#include <netext/extension.h>

#define SECONDS 600

static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
                                       void *userdata)
{
        (void)nx_flow_remember(flow, SECONDS);
        return NX_VERDICT_ALLOW;
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "filter-remember",
                .filter = { .handle_new_flow = handle_new_flow },
        };

        return nx_main(&extension, NULL);
}
