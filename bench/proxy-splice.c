/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The proxy of the benchmarks: claims every connection to the load's port, connects to
 * its destination, and gives both ends to the platform. Where the session has the file
 * "attach", it connects on the flow's behalf, so that the next proxy is asked about that.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netext/extension.h>

#define PORT 7000

static bool attaches;

static int begin_connect(struct nx_flow *flow, int fd)
{
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
        int r = attaches ? nx_flow_attach(flow, fd) : 0;

        if (r < 0)
                return r;
        inet_pton(AF_INET, nx_flow_get_remote_address(flow), &to.sin_addr);
        if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
                return -errno;
        return 0;
}

/* A socket that connects to the flow's destination, or a negative errno. */
static int connect_to_destination(struct nx_flow *flow)
{
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int r;

        if (fd < 0)
                return -errno;
        r = begin_connect(flow, fd);
        if (r < 0)
                close(fd);
        return r < 0 ? r : fd;
}

static enum nx_verdict handle_new_flow(struct nx_proxy *proxy, struct nx_flow *flow, void *userdata)
{
        int fd = connect_to_destination(flow);

        (void)proxy;
        (void)userdata;
        if (fd < 0)
                nx_flow_fail(flow, fd);
        else if (nx_flow_splice(flow, fd) < 0)
                close(fd);
        return NX_VERDICT_CLAIM;
}

static void handle_file(struct nx_proxy *proxy, const char *name, const char *path, int fd,
                        void *userdata)
{
        (void)proxy;
        (void)name;
        (void)path;
        (void)fd;
        (void)userdata;
        attaches = true;
}

static int start_proxy(struct nx_proxy *proxy, void *userdata)
{
        struct nx_proxy_settings *settings;
        int r;

        (void)userdata;
        r = nx_proxy_settings_new(&settings, false);
        if (r < 0)
                return r;
        r = nx_proxy_settings_include(
                settings, &(struct nx_rule){ NX_RULE_INIT, .protocol = IPPROTO_TCP,
                                             .remote_port_first = PORT });
        if (r == 0)
                r = nx_proxy_apply(proxy, settings, NULL, NULL);
        nx_proxy_settings_free(settings);
        return r;
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "proxy-splice",
                .transparent_proxy = {
                        .start_proxy = start_proxy,
                        .handle_new_flow = handle_new_flow,
                        .handle_file = handle_file,
                },
        };

        return nx_main(&extension, NULL);
}
