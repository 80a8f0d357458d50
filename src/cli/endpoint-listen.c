/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl endpoint listen: what an extension has to say, a line for each event. Each is written
 * before the next one is taken, so a reader who is slow has events wait in the extension, which
 * drops the oldest and counts them.
 */

#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <string.h>

#include <netext/endpoint.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"
#include "cli/output/writer.h"

static char *copy_text(const struct nx_message *event)
{
        return cli_format("%.*s", (int)event->size, (const char *)event->bytes);
}

static char *encode(const struct nx_message *event)
{
        char *base64 = malloc((event->size + 2) / 3 * 4 + 1);

        if (!base64)
                cli_no_memory();
        EVP_EncodeBlock((unsigned char *)base64, event->bytes, (int)event->size);
        return base64;
}

static void emit_event(const struct nx_message *event, const char *text, uint32_t n_dropped)
{
        struct emitter json = EMITTER_INIT(stdout);
        bool is_text = strlen(text) == event->size && escape_is_utf8(text);
        _cleanup_free_ char *base64 = is_text ? NULL : encode(event);

        emit_begin(&json, NULL, '{');
        emit_uint64(&json, "dropped", n_dropped);
        emit_string(&json, is_text ? "text" : "base64", is_text ? text : base64);
        emit_end(&json, '}');
}

static void print_event(const char *text, uint32_t n_dropped)
{
        if (n_dropped > 0)
                printf("%u events before this one are missing: they came faster than they were "
                       "read\n",
                       n_dropped);
        escape_text(stdout, text);
        putchar('\n');
}

static void handle_event(struct nx_connection *connection, const struct nx_message *event,
                         uint32_t n_dropped, void *userdata)
{
        const struct cli *cli = userdata;
        _cleanup_free_ char *text = copy_text(event);

        if (cli->json)
                emit_event(event, text, n_dropped);
        else
                print_event(text, n_dropped);
}

int verb_endpoint_listen(struct cli *cli)
{
        const struct nx_connection_options options = {
                NX_CONNECTION_OPTIONS_INIT,
                .instance = cli->instance,
                .handle_event = handle_event,
                .userdata = cli,
        };
        struct nx_connection *connection;
        int r = nx_connection_open(&connection, cli->arguments[0], &options);

        if (r < 0)
                return cli_complain("cannot listen to '%s': %s", cli->arguments[0],
                                    r == -EINVAL ? "an endpoint is called TEAM.IDENTIFIER.NAME"
                                                 : strerror(-r));
        writer_begin_watch();
        while (!ferror(stdout) && nx_connection_dispatch(connection) == 0) {
                struct pollfd pollfd = { .fd = nx_connection_get_fd(connection), .events = POLLIN };

                (void)poll(&pollfd, 1, -1);
        }
        if (!ferror(stdout))
                r = cli_complain("%s", nx_connection_get_error(connection));
        nx_connection_close(connection);
        return r;
}
