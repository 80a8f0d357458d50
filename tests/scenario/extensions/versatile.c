/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An extension of every kind: its filter refuses port 81, its transparent proxy port 82, its app
 * proxy port 83, so that a program can tell which of them run. As a filter it says what files it
 * can reach.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <netext/extension.h>

static const char *try_to_open(const char *path, int flags)
{
        int fd = open(path, flags | O_CLOEXEC, 0600);

        if (fd < 0)
                return strerrorname_np(errno);
        close(fd);
        return "yes";
}

static int start_filter(struct nx_filter *filter, void *userdata)
{
        const char *folder = getenv("NETEXT_STATE_FOLDER");
        char path[4200];

        (void)userdata;
        snprintf(path, sizeof(path), "%s/here", folder ? folder : "");
        nx_filter_report(filter, NX_LEVEL_INFO, "own folder %s, /etc/passwd %s, /tmp %s",
                         try_to_open(path, O_WRONLY | O_CREAT),
                         try_to_open("/etc/passwd", O_RDONLY),
                         try_to_open("/tmp", O_RDONLY | O_DIRECTORY));
        return 0;
}

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
                .filter = { .start_filter = start_filter, .handle_new_flow = filter_flow },
                .transparent_proxy = { .start_proxy = start_transparent,
                                       .handle_new_flow = refuse_flow },
                .app_proxy = { .start_proxy = start_app, .handle_new_flow = refuse_flow },
        };

        return nx_main(&extension, NULL);
}
