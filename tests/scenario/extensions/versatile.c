/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An extension of every kind: its filter refuses port 81, its transparent proxy port 82, its app
 * proxy port 83, so that a program can tell which of them run.
 */

#include <netext/extension.h>

static enum nx_verdict filter_flow(struct nx_filter *filter, struct nx_flow *flow, void *userdata)
{
        (void)filter;
        (void)userdata;
        return nx_flow_get_remote_port(flow) == 81 ? NX_VERDICT_REFUSE : NX_VERDICT_ALLOW;
}

static int include_port(struct nx_proxy *proxy, uint16_t port)
{
        const struct nx_rule rule = { NX_RULE_INIT, .remote_port_first = port };
        struct nx_proxy_settings *settings;
        int r;

        r = nx_proxy_settings_new(&settings, false);
        if (r < 0)
                return r;
        r = nx_proxy_settings_include(settings, &rule);
        if (r >= 0)
                r = nx_proxy_apply(proxy, settings, NULL, NULL);
        nx_proxy_settings_free(settings);
        return r;
}

static int start_transparent(struct nx_proxy *proxy, void *userdata)
{
        (void)userdata;
        return include_port(proxy, 82);
}

static int start_app(struct nx_proxy *proxy, void *userdata)
{
        (void)userdata;
        return include_port(proxy, 83);
}

static enum nx_verdict refuse_flow(struct nx_proxy *proxy, struct nx_flow *flow, void *userdata)
{
        (void)proxy;
        (void)flow;
        (void)userdata;
        return NX_VERDICT_REFUSE;
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "com.example.versatile",
                .filter = { .handle_new_flow = filter_flow },
                .transparent_proxy = { .start_proxy = start_transparent,
                                       .handle_new_flow = refuse_flow },
                .app_proxy = { .start_proxy = start_app, .handle_new_flow = refuse_flow },
        };

        return nx_main(&extension, NULL);
}
