/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The smallest useful proxy: takes over connections to TCP port 80, makes them itself (or
 * goes wherever else you connect to), and has the platform carry the bytes.
 *
 *     cc hello-proxy.c $(pkg-config --cflags --libs netext) -o hello-proxy
 *     sudo netextctl run --with ./hello-proxy -- curl http://example.org
 */

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netext/extension.h>

#define HTTP_PORT 80

/* Begins to connect to where the program wants to go. The socket, or a negative errno. */
static int connect_upstream(struct nx_flow *flow)
{
        const char *address = nx_flow_get_remote_address(flow);
        in_port_t port = htons(nx_flow_get_remote_port(flow));
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = port };
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = port };
        int is_v6 = inet_pton(AF_INET6, address, &v6.sin6_addr);
        int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int r;

        if (fd < 0)
                return -errno;
        /* The connection is made on behalf of the program. Not every platform keeps that. */
        r = nx_flow_attach(flow, fd);
        if (r == 0 || r == -EOPNOTSUPP) {
                (void)inet_pton(AF_INET, address, &v4.sin_addr);
                r = is_v6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6))
                          : connect(fd, (struct sockaddr *)&v4, sizeof(v4));
                r = r < 0 && errno != EINPROGRESS ? -errno : 0;
        }
        if (r == 0)
                return fd;
        close(fd);
        return r;
}

/* Called for each flow that the settings include; the program's connect() waits meanwhile. */
static enum nx_verdict handle_new_flow(struct nx_proxy *proxy, struct nx_flow *flow, void *userdata)
{
        int fd = connect_upstream(flow);

        (void)userdata;
        (void)proxy;
        if (fd < 0) {
                (void)nx_flow_fail(flow, fd); /* its connect() fails like ours */
                return NX_VERDICT_CLAIM;
        }
        if (nx_flow_splice(flow, fd) == 0)
                return NX_VERDICT_CLAIM;
        close(fd);
        return NX_VERDICT_REFUSE;
}

static int start_proxy(struct nx_proxy *proxy, void *userdata)
{
        static const struct nx_rule http = {
                NX_RULE_INIT,
                .protocol = IPPROTO_TCP,
                .remote_port_first = HTTP_PORT,
        };
        struct nx_proxy_settings *settings;
        int r;

        (void)userdata;
        r = nx_proxy_settings_new(&settings, false);
        if (r < 0)
                return r;
        r = nx_proxy_settings_include(settings, &http);
        if (r >= 0)
                r = nx_proxy_apply(proxy, settings, NULL, NULL);
        nx_proxy_settings_free(settings);
        return r;
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "hello-proxy",
                .version = "1",
                .transparent_proxy = {
                        .start_proxy = start_proxy,
                        .handle_new_flow = handle_new_flow,
                },
        };

        return nx_main(&extension, NULL);
}
