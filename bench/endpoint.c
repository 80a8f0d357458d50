/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an endpoint costs. Prints one line of JSON.
 *
 *      netext-bench-endpoint trips SECONDS     round trips of 64 bytes: an app and an extension,
 *                                              and two processes with nothing but a socket between
 *                                              them, in turns of 50 ms
 *      netext-bench-endpoint events SECONDS    events of 64 bytes that an extension posts as fast
 *                                              as one consumer without libnetext takes them
 */

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host.h"

#define PAYLOAD 64
#define TURN_S  0.05
#define CREDIT  1024

static double now(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static _Noreturn void give_up(const char *what)
{
        perror(what);
        exit(1);
}

/* --- the extension -------------------------------------------------------------------------- */

static void answer_the_same(struct nx_connection *connection, struct nx_message *message,
                            struct nx_question *question, void *userdata)
{
        if (question)
                (void)nx_question_answer(question, message);
}

static void post_until_somebody_is_behind(struct nx_endpoint *endpoint, void *userdata)
{
        static const char event[PAYLOAD] = "event";

        while (nx_endpoint_post(endpoint, event, sizeof(event)) == 0)
                continue;
}

static const struct nx_endpoint_provider endpoints[] = {
        { .name = "trips", .handle_message = answer_the_same },
        { .name = "events",
          .handle_ready = post_until_somebody_is_behind,
          .handle_caught_up = post_until_somebody_is_behind },
};
static const struct nx_extension extension = {
        NX_EXTENSION_INIT,
        .identifier = "bench",
        .endpoints = endpoints,
        .n_endpoints = 2,
};
static struct manifest_peer everyone = { .kind = MANIFEST_PEER_EVERYONE };
static const struct manifest_endpoint declarations[] = {
        { .name = "trips", .peers = &everyone, .n_peers = 1 },
        { .name = "events", .peers = &everyone, .n_peers = 1 },
};
static const struct host_extension hosted = {
        .identifier = "org.example.bench",
        .table = &extension,
        .declarations = declarations,
        .n_declarations = 2,
};

/* --- round trips ---------------------------------------------------------------------------- */

static int start_bare_pair(void)
{
        char bytes[PAYLOAD];
        int pair[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                give_up("socketpair");
        pid = fork();
        if (pid < 0)
                give_up("fork");
        if (pid > 0) {
                close(pair[1]);
                return pair[0];
        }
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        while (recv(pair[1], bytes, sizeof(bytes), 0) == sizeof(bytes) &&
               send(pair[1], bytes, sizeof(bytes), 0) == sizeof(bytes))
                continue;
        _exit(0);
}

static void bare_trip(void *userdata)
{
        char bytes[PAYLOAD] = "trip";
        int fd = *(int *)userdata;

        if (send(fd, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
            recv(fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
                give_up("bare pair");
}

static void endpoint_trip(void *userdata)
{
        static const char bytes[PAYLOAD] = "trip";
        const struct nx_message question = { .bytes = bytes, .size = sizeof(bytes) };
        struct nx_message *answer;
        int r;

        r = nx_connection_call(userdata, &question, NX_NO_DEADLINE, &answer);
        if (r < 0 || answer->size != PAYLOAD) {
                errno = -r;
                give_up(nx_connection_get_error(userdata));
        }
        nx_message_free(answer);
}

struct turns {
        void (*trip)(void *userdata);
        void *userdata;
        double seconds;
        unsigned long n;
};

static void take_turn(struct turns *turns)
{
        double begin = now(), end;

        do {
                for (int i = 0; i < 16; i++)
                        turns->trip(turns->userdata);
                turns->n += 16;
                end = now();
        } while (end - begin < TURN_S);
        turns->seconds += end - begin;
}

static void measure_trips(double seconds)
{
        const struct nx_connection_options options = { NX_CONNECTION_OPTIONS_INIT,
                                                       .instance = HOST_INSTANCE };
        struct nx_connection *connection;
        int bare_fd = start_bare_pair();
        struct turns bare = { .trip = bare_trip, .userdata = &bare_fd };
        struct turns endpoint = { .trip = endpoint_trip };
        double end = now() + seconds;

        if (nx_connection_open(&connection, "EXAMPLE.org.example.bench.trips", &options) < 0)
                give_up("nx_connection_open");
        endpoint.userdata = connection;
        endpoint_trip(connection);
        while (now() < end) {
                take_turn(&bare);
                take_turn(&endpoint);
        }
        printf("{\"bare\": %.0f, \"endpoint\": %.0f}\n", (double)bare.n / bare.seconds,
               (double)endpoint.n / endpoint.seconds);
        nx_connection_close(connection);
}

/* --- events: what netext-endpoint(7) says, and nothing of ours (I02) ----------------------- */

struct header {
        uint16_t type, n_fds;
        int32_t value;
        uint64_t id;
};

static int consumer_connect(void)
{
        struct sockaddr_un address = {
                .sun_family = AF_UNIX,
                .sun_path =
                        "/run/netext/" HOST_INSTANCE "/endpoints/EXAMPLE.org.example.bench.events",
        };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct header header;

        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            recv(fd, &header, sizeof(header), 0) != sizeof(header) || header.type != 1)
                give_up("connecting the consumer");
        return fd;
}

static void give_credit(int fd, int n)
{
        const struct header credit = { .type = 7, .value = n };

        if (send(fd, &credit, sizeof(credit), 0) != sizeof(credit))
                give_up("giving credit");
}

static void measure_events(double seconds)
{
        struct {
                struct header header;
                char payload[PAYLOAD];
        } event;
        unsigned long n = 0, dropped = 0;
        double begin, end;
        uint64_t last = 0;
        int fd = consumer_connect();

        give_credit(fd, CREDIT);
        begin = now();
        do {
                if (recv(fd, &event, sizeof(event), 0) != sizeof(event) || event.header.type != 6)
                        give_up("receiving an event");
                if (n > 0 && event.header.id != last + 1 + (uint64_t)event.header.value) {
                        errno = EPROTO;
                        give_up("the order of events");
                }
                last = event.header.id;
                dropped += (unsigned long)event.header.value;
                if (++n % (CREDIT / 2) == 0)
                        give_credit(fd, CREDIT / 2);
                end = n % 256 == 0 ? now() : begin;
        } while (end - begin < seconds);
        printf("{\"events\": %.0f, \"dropped\": %lu}\n", (double)n / (end - begin), dropped);
        close(fd);
}

int main(int argc, char **argv)
{
        double seconds = argc == 3 ? atof(argv[2]) : 0;
        struct host host;

        if (seconds <= 0 || (strcmp(argv[1], "trips") != 0 && strcmp(argv[1], "events") != 0)) {
                fprintf(stderr, "usage: %s trips|events SECONDS\n", argv[0]);
                return 2;
        }
        if (host_enter_private_run() < 0)
                give_up("a /run of its own");
        host_start(&host, &hosted, 1);
        if (strcmp(argv[1], "trips") == 0)
                measure_trips(seconds);
        else
                measure_events(seconds);
        host_stop(&host);
        return 0;
}
