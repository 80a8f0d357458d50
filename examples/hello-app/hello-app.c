/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An app of the extension in hello-endpoint: asks it for its status, then shows its events until
 * the extension is deactivated. Versions of the extension may come and go meanwhile.
 *
 *      cc hello-app.c $(pkg-config --cflags --libs netext) -o hello-app
 */

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <netext/endpoint.h>

static void handle_event(struct nx_connection *connection, const struct nx_message *event,
                         uint32_t n_dropped, void *userdata)
{
        (void)connection;
        (void)userdata;
        if (n_dropped > 0)
                printf("(%u events were dropped)\n", n_dropped);
        printf("%.*s\n", (int)event->size, (const char *)event->bytes);
        fflush(stdout);
}

static int ask_for_status(struct nx_connection *connection)
{
        const struct nx_message question = { .bytes = "status", .size = 6 };
        struct nx_message *answer;
        int r;

        r = nx_connection_call(connection, &question, NX_NO_DEADLINE, &answer);
        if (r < 0)
                return r;
        printf("%.*s\n", (int)answer->size, (const char *)answer->bytes);
        fflush(stdout);
        nx_message_free(answer);
        return 0;
}

static int show_events(struct nx_connection *connection)
{
        struct pollfd pollfd = { .fd = nx_connection_get_fd(connection), .events = POLLIN };
        int r = 0;

        while (r == 0 && poll(&pollfd, 1, -1) >= 0)
                r = nx_connection_dispatch(connection);
        return r;
}

int main(int argc, char **argv)
{
        const struct nx_connection_options options = {
                NX_CONNECTION_OPTIONS_INIT,
                .instance = argc > 2 ? argv[2] : NULL,
                .handle_event = handle_event,
        };
        struct nx_connection *connection;
        int r;

        if (argc < 2) {
                fprintf(stderr, "usage: %s ENDPOINT [INSTANCE]\nfor example: %s %s\n", argv[0],
                        argv[0], "EXAMPLE.org.example.hello.status");
                return 2;
        }
        r = nx_connection_open(&connection, argv[1], &options);
        if (r < 0) {
                fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], strerror(-r));
                return 1;
        }
        r = ask_for_status(connection);
        if (r == 0)
                r = show_events(connection);
        fprintf(stderr, "%s: %s\n", argv[0], nx_connection_get_error(connection));
        nx_connection_close(connection);
        return 1;
}
