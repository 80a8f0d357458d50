/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A transparent proxy that looks before it takes: it reads the server's name in the first bytes
 * of connections to TCP port 443, and takes over those whose name ends in a line of its file
 * "names", here only to connect them to the same place. All others are left alone.
 *
 *     cc sni-switch.c client-hello.c $(pkg-config --cflags --libs netext) -o sni-switch
 *     echo example.org >names
 *     sudo netextctl session start --file names=$PWD/names $PWD/sni-switch
 *
 * Names that a client encrypts (ECH) are not seen: the outer one is.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netext/extension.h>

#include "client-hello.h"

#define HTTPS_PORT  443
#define PATIENCE_MS 500 /* with a client that does not say more */

static char names[64 * 1024]; /* the file's text */

/* Whether name is a line of the file, or ends in a dot and a line. */
static bool is_listed(const char *name)
{
        size_t length = strlen(name);

        for (const char *line = names; *line; line += strspn(line, "\r\n")) {
                size_t n = strcspn(line, "\r\n");
                bool is_end = n <= length && strncasecmp(name + length - n, line, n) == 0;

                if (is_end && (n == length || name[length - n - 1] == '.'))
                        return true;
                line += n;
        }
        return false;
}

static void handle_file(struct nx_proxy *proxy, const char *name, const char *path, int fd,
                        void *userdata)
{
        char text[sizeof(names)];
        ssize_t size = read(fd, text, sizeof(text)); /* a regular file is read in one piece */

        (void)userdata;
        close(fd);
        if (strcmp(name, "names") != 0 || size < 0 || size == sizeof(text)) {
                nx_proxy_report(proxy, NX_LEVEL_WARNING, "%s is no list of names; ignored", path);
                return;
        }
        memset(names, 0, sizeof(names));
        memcpy(names, text, (size_t)size);
}

/* Connects to where the program wants to go, and has the platform carry the bytes. */
static enum nx_verdict take_over(struct nx_flow *flow)
{
        const char *address = nx_flow_get_remote_address(flow);
        in_port_t port = htons(nx_flow_get_remote_port(flow));
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = port };
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = port };
        int is_v6 = inet_pton(AF_INET6, address, &v6.sin6_addr);
        int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int r;

        (void)nx_flow_attach(flow, fd); /* on behalf of the program, where that is supported */
        (void)inet_pton(AF_INET, address, &v4.sin_addr);
        r = is_v6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6))
                  : connect(fd, (struct sockaddr *)&v4, sizeof(v4));
        if ((r == 0 || errno == EINPROGRESS) && nx_flow_splice(flow, fd) == 0)
                return NX_VERDICT_CLAIM;
        if (fd >= 0)
                close(fd);
        return NX_VERDICT_REFUSE;
}

/* Asks for the first bytes, and remembers how many. */
static enum nx_verdict peek(struct nx_flow *flow, size_t n_bytes)
{
        nx_flow_set_userdata(flow, (void *)(uintptr_t)n_bytes);
        return nx_flow_peek(flow, n_bytes, PATIENCE_MS) == 0 ? NX_VERDICT_PEEK : NX_VERDICT_DECLINE;
}

static enum nx_verdict handle_new_flow(struct nx_proxy *proxy, struct nx_flow *flow, void *userdata)
{
        (void)proxy;
        (void)userdata;
        return peek(flow, CLIENT_HELLO_RECORD_SIZE);
}

/* A hello says piece by piece how long it is; who does not say what was asked for has no more. */
static enum nx_verdict handle_peek(struct nx_proxy *proxy, struct nx_flow *flow, const void *bytes,
                                   size_t size, void *userdata)
{
        char name[CLIENT_HELLO_NAME_MAX];
        size_t needed;
        int r = client_hello_parse(bytes, size, name, &needed);

        (void)proxy;
        (void)userdata;
        if (r == CLIENT_HELLO_E_MORE && size == (uintptr_t)nx_flow_get_userdata(flow))
                return peek(flow, needed);
        return r == 0 && is_listed(name) ? take_over(flow) : NX_VERDICT_DECLINE;
}

static int start_proxy(struct nx_proxy *proxy, void *userdata)
{
        static const struct nx_rule https = {
                NX_RULE_INIT,
                .protocol = IPPROTO_TCP,
                .remote_port_first = HTTPS_PORT,
        };
        struct nx_proxy_settings *settings;
        int r;

        (void)userdata;
        r = nx_proxy_settings_new(&settings, false);
        if (r < 0)
                return r;
        r = nx_proxy_settings_include(settings, &https);
        if (r >= 0)
                r = nx_proxy_apply(proxy, settings, NULL, NULL);
        nx_proxy_settings_free(settings);
        return r;
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "sni-switch",
                .version = "1",
                .transparent_proxy = {
                        .start_proxy = start_proxy,
                        .handle_new_flow = handle_new_flow,
                        .handle_peek = handle_peek,
                        .handle_file = handle_file,
                },
        };

        return nx_main(&extension, NULL);
}
