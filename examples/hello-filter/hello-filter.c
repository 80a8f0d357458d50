/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The smallest useful filter: refuses mail (TCP port 25) and allows everything else.
 *
 *     cc hello-filter.c $(pkg-config --cflags --libs netext) -o hello-filter
 *     sudo netextctl run --with ./hello-filter -- curl smtp://example.org
 *
 * curl is told "connection refused" at once, and the summary names the program, the
 * flow, and this filter as the one that decided.
 */

#include <netinet/in.h>

#include <netext/extension.h>

#define SMTP_PORT 25

/* Called once for each new flow, which waits in the kernel for the answer: so be quick, or
 * keep the flow, return NX_VERDICT_PAUSE, and call nx_flow_resume() later. */
static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
                                       void *userdata)
{
        const char *program = nx_flow_get_program(flow);

        (void)userdata;
        if (nx_flow_get_protocol(flow) != IPPROTO_TCP || nx_flow_get_remote_port(flow) != SMTP_PORT)
                return NX_VERDICT_ALLOW;

        /* For the administrator: the session's log line. */
        nx_filter_report(filter, NX_LEVEL_INFO, "refused mail from %s to %s",
                         program ? program : "an unknown program",
                         nx_flow_get_remote_address(flow));
        return NX_VERDICT_REFUSE;
}

int main(void)
{
        /* What is left out is not of interest: nothing to do at start and stop, no files. */
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "hello-filter",
                .version = "1",
                .filter = { .handle_new_flow = handle_new_flow },
        };

        /* Serves until the daemon that started us is done with us. */
        return nx_main(&extension, NULL);
}
