/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The bundled relay: a transparent proxy whose flows go on as its rules say, see
 * netext-relay(5). It decides and shakes hands; the platform carries the bytes.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/loop.h"

#define EXIT_STARTED_BY_HAND 2

static int start_proxy(struct nx_proxy *proxy, void *userdata)
{
        struct relay *relay = userdata;
        int r;

        r = configuration_start(&relay->configuration, proxy);
        if (r < 0)
                return r;
        relay->proxy = proxy;
        return 0;
}

static void stop_proxy(struct nx_proxy *proxy, enum nx_provider_stop_reason reason, void *userdata)
{
        struct relay *relay = userdata;

        relay_forget_all(relay);
        relay->proxy = NULL;
}

static enum nx_verdict handle_new_flow(struct nx_proxy *proxy, struct nx_flow *flow, void *userdata)
{
        return relay_decide(userdata, flow);
}

static void handle_closed(struct nx_proxy *proxy, struct nx_flow *flow,
                          const struct nx_flow_end *end, void *userdata)
{
        relay_forget_flow(userdata, nx_flow_get_identifier(flow));
}

static void handle_file(struct nx_proxy *proxy, const char *name, const char *path, int fd,
                        void *userdata)
{
        struct relay *relay = userdata;

        configuration_handle_file(&relay->configuration, proxy, name, path, fd);
}

static const struct nx_extension extension = {
        NX_EXTENSION_INIT,
        .identifier = "relay",
        .version = NETEXT_VERSION,
        .transparent_proxy = {
                .start_proxy = start_proxy,
                .stop_proxy = stop_proxy,
                .handle_new_flow = handle_new_flow,
                .handle_closed = handle_closed,
                .handle_file = handle_file,
        },
};

static int explain(int r)
{
        if (r != -ENOTCONN) {
                fprintf(stderr, "relay: cannot start: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        fprintf(stderr, "relay is a netext extension: netextd starts it and gives it flows.\n"
                        "To run a command under it: netextctl run --with relay=FILE -- COMMAND\n"
                        "For a whole instance: netextctl session start relay --rules FILE\n");
        return EXIT_STARTED_BY_HAND;
}

static int serve(struct relay *relay)
{
        struct nx_provider *provider;
        int r;

        r = nx_provider_new(&provider, &extension, relay);
        if (r < 0)
                return explain(r);
        r = loop_run(relay, provider);
        if (r < 0)
                fprintf(stderr, "relay: %s\n",
                        *nx_provider_get_error(provider) ? nx_provider_get_error(provider)
                                                         : strerror(-r));
        nx_provider_free(provider);
        return r < 0 || !relay->configuration.started ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(void)
{
        static struct relay relay;
        int r;

        r = relay_init(&relay);
        if (r >= 0)
                r = loop_hold_signals();
        r = r < 0 ? explain(r) : serve(&relay);
        relay_deinit(&relay);
        return r;
}
