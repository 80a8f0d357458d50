/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An app for scenarios, of the talker (tests/endpoint/talker.h). Prints one line for each thing.
 *
 *      converse INSTANCE ENDPOINT call TEXT...     the answer to each, or "(ERRNO) why"
 *      converse INSTANCE ENDPOINT events N         N events, or "(ERRNO) why"
 *      converse INSTANCE ENDPOINT load             asks all the time until stdin ends, then "N
 * calls, M failed: why"; two questions are always under way converse INSTANCE ENDPOINT knock the
 * same with a connection for each question
 */

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netext/endpoint.h>

struct load {
        unsigned long n_calls, n_failed, n_under_way;
        char why[512];
};

static unsigned int n_events_left;

static void show_failure(struct nx_connection *connection, int error)
{
        printf("(%d) %s\n", -error, nx_connection_get_error(connection));
}

static void show_event(struct nx_connection *connection, const struct nx_message *event,
                       uint32_t n_dropped, void *userdata)
{
        printf("%.*s\n", (int)event->size, (const char *)event->bytes);
        n_events_left--;
}

static struct nx_connection *open_connection(char **argv)
{
        const struct nx_connection_options options = {
                NX_CONNECTION_OPTIONS_INIT,
                .instance = argv[1],
                .handle_event = strcmp(argv[3], "events") == 0 ? show_event : NULL,
        };
        struct nx_connection *connection;
        int r = nx_connection_open(&connection, argv[2], &options);

        if (r >= 0)
                return connection;
        fprintf(stderr, "%s: %s\n", argv[2], strerror(-r));
        exit(2);
}

static void call(struct nx_connection *connection, const char *text)
{
        const struct nx_message question = { .bytes = text, .size = strlen(text) };
        struct nx_message *answer;
        int r = nx_connection_call(connection, &question, NX_NO_DEADLINE, &answer);

        if (r < 0) {
                show_failure(connection, r);
                return;
        }
        printf("%.*s\n", (int)answer->size, (const char *)answer->bytes);
        nx_message_free(answer);
}

/* False: stdin has ended. */
static bool dispatch(struct nx_connection *connection, int timeout_ms)
{
        struct pollfd pollfds[] = {
                { .fd = nx_connection_get_fd(connection), .events = POLLIN },
                { .fd = 0, .events = POLLIN },
        };

        (void)poll(pollfds, 2, timeout_ms);
        (void)nx_connection_dispatch(connection);
        return pollfds[1].revents == 0;
}

static void count(struct nx_connection *connection, int result, struct nx_message *answer,
                  void *userdata)
{
        struct load *load = userdata;

        load->n_under_way--;
        load->n_calls++;
        if (result >= 0)
                return;
        load->n_failed++;
        snprintf(load->why, sizeof(load->why), "(%d) %s", -result,
                 nx_connection_get_error(connection));
}

static void ask(struct nx_connection *connection, struct load *load)
{
        static const struct nx_message question = { .bytes = "echo", .size = 4 };
        int r = nx_connection_ask(connection, &question, NX_NO_DEADLINE, count, load);

        load->n_under_way++;
        if (r < 0)
                count(connection, r, NULL, load);
}

static void put_load(char **argv, bool knocks)
{
        struct nx_connection *connection = open_connection(argv);
        struct load load = { 0 };
        bool goes_on = true;

        while (goes_on || load.n_under_way > 0) {
                while (goes_on && load.n_under_way < 2)
                        ask(connection, &load);
                goes_on &= dispatch(connection, 1000);
                if (nx_connection_dispatch(connection) < 0 || (knocks && load.n_under_way == 0)) {
                        nx_connection_close(connection);
                        connection = open_connection(argv);
                }
        }
        printf("%lu calls, %lu failed: %s\n", load.n_calls, load.n_failed, load.why);
        nx_connection_close(connection);
}

int main(int argc, char **argv)
{
        struct nx_connection *connection;

        setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc < 4)
                return 2;
        if (strcmp(argv[3], "load") == 0 || strcmp(argv[3], "knock") == 0) {
                put_load(argv, argv[3][0] == 'k');
                return 0;
        }
        connection = open_connection(argv);
        for (int i = 4; i < argc && strcmp(argv[3], "call") == 0; i++)
                call(connection, argv[i]);
        n_events_left = strcmp(argv[3], "events") == 0 ? (unsigned int)atoi(argv[4]) : 0;
        while (n_events_left > 0 && nx_connection_dispatch(connection) == 0)
                (void)dispatch(connection, 1000);
        if (n_events_left > 0)
                show_failure(connection, nx_connection_dispatch(connection));
        nx_connection_close(connection);
        return 0;
}
