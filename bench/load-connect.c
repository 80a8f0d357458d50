/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The closed loop: each client opens one connection after another, which is
 * socket, connect, one byte there, one byte back, close.
 *
 * One client is a plain blocking loop, because that is the latency of an
 * ordinary program; with pauses the machine idles in between, as it mostly does.
 * More clients share one epoll thread per core, because 16 threads on 2 cores
 * would measure the scheduler.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "histogram.h"
#include "load.h"

#define N_EVENTS 64
#define RETRY_MS 10

struct tally {
        uint64_t n_connections;
        uint64_t n_errors;
        struct histogram connect_ns;
};

static const struct exchange one_byte = { "x", 1, 1 };

/* one client: a blocking loop */

static int client_once(const struct options *options, struct tally *tally)
{
        _cleanup_close_ int fd = -1;
        uint64_t started = now_ns(), connected;
        int r;

        r = connect_blocking(options, &fd);
        if (r < 0)
                return r;
        connected = now_ns();

        r = exchange_blocking(&one_byte, fd);
        if (r < 0)
                return r;

        histogram_add(&tally->connect_ns, connected - started);
        tally->n_connections++;
        return 0;
}

static int clients_blocking(const struct options *options, struct tally *tally)
{
        int r;

        r = alarm_at(options->seconds);
        if (r < 0)
                return r;

        while (!stopped && tally->n_connections + tally->n_errors < options->count) {
                r = client_once(options, tally);
                if (r < 0 && !stopped)
                        tally->n_errors++;
                if (options->pause_us > 0 && !stopped)
                        (void)usleep(options->pause_us);
        }
        return 0;
}

/* many clients: one epoll thread per core */

struct client {
        int fd; /* -1: idle, to be started again */
        bool connected;
        unsigned int n_exchanges; /* that are over: greetings, then the byte */
        size_t n_answer;          /* of the one that goes on */
        uint64_t started_ns;
};

struct worker {
        const struct options *options;
        pthread_t thread;
        int epoll_fd;
        unsigned int n_clients;
        unsigned int n_idle;
        struct client *clients;
        uint64_t count; /* our share of options->count */
        uint64_t deadline_ns;
        struct tally tally;
};

static int client_start(struct worker *worker, struct client *client)
{
        const struct target *target = &worker->options->target;
        _cleanup_close_ int fd = -1;
        int r;

        fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        r = socket_set_reset_on_close(fd);
        if (r < 0)
                return r;

        client->connected = false;
        client->n_exchanges = 0;
        client->started_ns = now_ns();
        if (connect(fd, (const struct sockaddr *)&target->address, target->n_address) < 0 &&
            errno != EINPROGRESS)
                return -errno;
        r = epoll_watch(worker->epoll_fd, fd, EPOLLIN | EPOLLOUT | EPOLLET,
                        (epoll_data_t){.ptr = client});
        if (r < 0)
                return r;

        client->fd = fd;
        fd = -1;
        return 0;
}

static void worker_start_client(struct worker *worker, struct client *client)
{
        if (client_start(worker, client) < 0) {
                worker->tally.n_errors++;
                worker->n_idle++;
        }
}

static void worker_restart_client(struct worker *worker, struct client *client)
{
        close_fdp(&client->fd);
        worker_start_client(worker, client);
}

static const struct exchange *client_exchange(const struct worker *worker,
                                              const struct client *client)
{
        const struct options *options = worker->options;

        return client->n_exchanges < options->n_greetings ? &options->greetings[client->n_exchanges]
                                                          : &one_byte;
}

static int client_say(const struct worker *worker, struct client *client)
{
        const struct exchange *exchange = client_exchange(worker, client);
        ssize_t n = send(client->fd, exchange->say, exchange->n_say, MSG_NOSIGNAL);

        client->n_answer = 0;
        return n == (ssize_t)exchange->n_say ? 0 : -errno;
}

/* Returns 1 when the byte is back, 0 when the connection goes on. */
static int client_listen(const struct worker *worker, struct client *client)
{
        const struct exchange *exchange = client_exchange(worker, client);
        unsigned char answer[sizeof(exchange->say)];
        ssize_t n = recv(client->fd, answer, exchange->n_answer - client->n_answer, 0);

        if (n <= 0)
                return -EPIPE;
        client->n_answer += (size_t)n;
        if (client->n_answer < exchange->n_answer)
                return 0;
        if (client->n_exchanges == worker->options->n_greetings)
                return 1;
        client->n_exchanges++;
        return client_say(worker, client);
}

/* The same. */
static int client_advance(struct worker *worker, struct client *client, uint32_t events)
{
        int r;

        if (events & (EPOLLERR | EPOLLHUP))
                return -ECONNRESET;

        if (!client->connected && (events & EPOLLOUT)) {
                client->connected = true;
                histogram_add(&worker->tally.connect_ns, now_ns() - client->started_ns);
                r = client_say(worker, client);
                if (r < 0)
                        return r;
        }
        return events & EPOLLIN ? client_listen(worker, client) : 0;
}

static void worker_dispatch(struct worker *worker, const struct epoll_event *event)
{
        struct client *client = event->data.ptr;
        int r;

        r = client_advance(worker, client, event->events);
        if (r == 0)
                return;
        if (r < 0)
                worker->tally.n_errors++;
        else
                worker->tally.n_connections++;
        worker_restart_client(worker, client);
}

/* A client that could not even start (no port, no memory) tries again after
 * the next wait, so that an error cannot spin. */
static void worker_start_idle(struct worker *worker)
{
        worker->n_idle = 0;
        for (unsigned int i = 0; i < worker->n_clients; i++)
                if (worker->clients[i].fd < 0)
                        worker_start_client(worker, &worker->clients[i]);
}

static bool worker_is_done(const struct worker *worker)
{
        return worker->tally.n_connections + worker->tally.n_errors >= worker->count ||
               now_ns() >= worker->deadline_ns;
}

static void *worker_thread(void *userdata)
{
        struct worker *worker = userdata;
        struct epoll_event events[N_EVENTS];

        worker_start_idle(worker);
        while (!worker_is_done(worker)) {
                int n = epoll_wait(worker->epoll_fd, events, N_EVENTS, RETRY_MS);

                for (int i = 0; i < n; i++)
                        worker_dispatch(worker, &events[i]);
                if (worker->n_idle > 0 && n <= 0)
                        worker_start_idle(worker);
        }
        for (unsigned int i = 0; i < worker->n_clients; i++)
                close_fdp(&worker->clients[i].fd);
        return NULL;
}

static int worker_init(struct worker *worker, const struct options *options, struct client *clients,
                       unsigned int n_clients)
{
        *worker = (struct worker){
                .options = options,
                .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
                .clients = clients,
                .n_clients = n_clients,
                .count = options->count * n_clients / options->n_clients,
                .deadline_ns = now_ns() + (uint64_t)(options->seconds * (double)NSEC_PER_SEC),
        };
        for (unsigned int i = 0; i < n_clients; i++)
                clients[i].fd = -1;
        return worker->epoll_fd < 0 ? -errno : 0;
}

static void tally_add(struct tally *sum, const struct tally *part)
{
        sum->n_connections += part->n_connections;
        sum->n_errors += part->n_errors;
        histogram_merge(&sum->connect_ns, &part->connect_ns);
}

/* The kernel takes the descriptors back when the process ends; an error here
 * ends it. */
static int clients_epoll(const struct options *options, struct tally *tally)
{
        unsigned int n_workers =
                options->n_threads < options->n_clients ? options->n_threads : options->n_clients;
        _cleanup_free_ struct worker *workers = calloc(n_workers, sizeof(*workers));
        _cleanup_free_ struct client *clients = calloc(options->n_clients, sizeof(*clients));
        unsigned int first = 0;
        int r;

        if (!workers || !clients)
                return -ENOMEM;

        for (unsigned int i = 0; i < n_workers; i++) {
                unsigned int end = options->n_clients * (i + 1) / n_workers;

                r = worker_init(&workers[i], options, clients + first, end - first);
                if (r < 0)
                        return r;
                first = end;
        }
        for (unsigned int i = 0; i < n_workers; i++) {
                r = pthread_create(&workers[i].thread, NULL, worker_thread, &workers[i]);
                if (r > 0)
                        return -r;
        }
        for (unsigned int i = 0; i < n_workers; i++) {
                pthread_join(workers[i].thread, NULL);
                close_fdp(&workers[i].epoll_fd);
                tally_add(tally, &workers[i].tally);
        }
        return 0;
}

int run_connect(const struct options *options)
{
        _cleanup_free_ struct tally *tally = calloc(1, sizeof(*tally));
        uint64_t started = now_ns();
        double seconds;
        int r;

        if (!tally)
                return -ENOMEM;
        r = options->n_clients == 1 ? clients_blocking(options, tally)
                                    : clients_epoll(options, tally);
        if (r < 0)
                return r;

        seconds = (double)(now_ns() - started) / (double)NSEC_PER_SEC;
        printf("{\"connections\": %" PRIu64 ", \"errors\": %" PRIu64
               ", \"seconds\": %.3f, \"rate\": %.1f, "
               "\"connect_p50_us\": %.1f, \"connect_p99_us\": %.1f}\n",
               tally->n_connections, tally->n_errors, seconds,
               (double)tally->n_connections / seconds,
               (double)histogram_quantile(&tally->connect_ns, 0.50) / 1e3,
               (double)histogram_quantile(&tally->connect_ns, 0.99) / 1e3);
        return tally->n_connections > 0 ? 0 : -ENOTCONN;
}
