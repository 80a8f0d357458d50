/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The relay between real TCP sockets on 127.0.0.1: a flow is client <-> app, upstream <-> server,
 * and the test is both the client and the server. Waiting is for events; where something must
 * not happen, counters say so.
 */

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/socket.h"
#include "relay/relay.h"

#define KIB           1024
#define MIB           (1024 * KIB)
#define N_MANY        300
#define ENDS_MAX      (N_MANY + 1)
#define TIMEOUT_MS    60000
#define CHUNK_MAX     (100 * KIB)
#define SOCKET_BUFFER (64 * KIB)
/* What the kernel makes of a socket buffer's size: twice, and its own overhead. */
#define SOCKET_BUFFERS_MAX (4 * 4 * SOCKET_BUFFER)

struct scene {
        struct loop loop;
        struct relay_pool *pool;
        struct relay_end ends[ENDS_MAX];
        size_t n_ends;
        size_t n_fds_before, n_threads_before;
};

struct flow {
        int client;
        int server;
};

static size_t count_entries(const char *path)
{
        _cleanup_dir_ DIR *dir = opendir(path);
        size_t n = 0;

        while (readdir(dir))
                n++;
        return n;
}

static size_t count_fds(void)
{
        return count_entries("/proc/self/fd");
}

static size_t count_threads(void)
{
        return count_entries("/proc/self/task") - 2; /* . and .. */
}

static void handle_ended(const struct relay_end *end, void *userdata)
{
        struct scene *scene = userdata;

        assert_true(scene->n_ends < ENDS_MAX);
        scene->ends[scene->n_ends++] = *end;
}

static int set_up(void **state)
{
        struct scene *scene = calloc(1, sizeof(*scene));

        alarm(TIMEOUT_MS / 1000);
        scene->n_fds_before = count_fds();
        scene->n_threads_before = count_threads();
        assert_int_equal(loop_init(&scene->loop), 0);
        assert_int_equal(relay_pool_new(&scene->pool, &scene->loop, handle_ended, scene), 0);
        *state = scene;
        return 0;
}

static int tear_down(void **state)
{
        struct scene *scene = *state;

        scene->pool = relay_pool_free(scene->pool);
        loop_deinit(&scene->loop);
        assert_int_equal(count_fds(), scene->n_fds_before);
        free(scene);
        return 0;
}

/* --- sockets -------------------------------------------------------------------------- */

static void set_buffers(int fd, int size)
{
        if (!size)
                return;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
}

static void connect_pair(int *ret_near, int *ret_far, int buffer_size)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        _cleanup_fd_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(address);

        set_buffers(listener, buffer_size);
        set_buffers(near, buffer_size);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
        assert_int_equal(connect(near, (struct sockaddr *)&address, size), 0);
        *ret_far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(*ret_far >= 0);
        *ret_near = near;
}

/* A program's connection, as the listener hands it on. */
static void connect_app(int *ret_client, int *ret_app, int buffer_size)
{
        connect_pair(ret_client, ret_app, buffer_size);
        assert_int_equal(fcntl(*ret_app, F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(socket_set_reset_on_close(*ret_app, true), 0);
}

static struct flow open_flow_with(struct scene *scene, uint64_t id, int buffer_size)
{
        struct flow flow = {};
        int app, upstream;

        connect_app(&flow.client, &app, buffer_size);
        connect_pair(&upstream, &flow.server, buffer_size);
        assert_int_equal(relay_pool_add(scene->pool, id, app, upstream), 0);
        return flow;
}

static struct flow open_flow(struct scene *scene, uint64_t id)
{
        return open_flow_with(scene, id, 0);
}

static void close_flow(struct flow *flow)
{
        flow->client = close_fd(flow->client);
        flow->server = close_fd(flow->server);
}

static void reset(int *fd)
{
        assert_int_equal(socket_set_reset_on_close(*fd, true), 0);
        *fd = close_fd(*fd);
}

static struct relay_counts counts(const struct scene *scene)
{
        struct relay_counts counts;

        relay_pool_count(scene->pool, &counts);
        return counts;
}

/* The end of this flow, once it is told. */
static struct relay_end end_of(struct scene *scene, uint64_t id)
{
        for (size_t seen = 0;; seen++) {
                while (seen == scene->n_ends)
                        assert_int_equal(loop_dispatch(&scene->loop, -1), 0);
                if (scene->ends[seen].id == id)
                        return scene->ends[seen];
        }
}

/* --- bytes ---------------------------------------------------------------------------- */

/* A stream that is known at each place, to write it and to compare. The period is a prime, so
 * that no piece of a buffer's size can be lost or doubled unseen. */
#define PERIOD 65521

static unsigned char pattern[PERIOD + CHUNK_MAX];

static void make_pattern(void)
{
        for (size_t i = 0; i < sizeof(pattern); i++)
                pattern[i] = (unsigned char)((i % PERIOD) * 0x9e3779b97f4a7c15u >> 56);
}

static const unsigned char *stream_at(size_t place, unsigned int seed)
{
        return pattern + (place + seed) % PERIOD;
}

struct transfer {
        int from;
        int to;
        size_t size;
        unsigned int seed;
        size_t n_written;
        size_t n_read;
};

/* Chunks of all sizes, from one byte to more than any buffer. */
static size_t next_chunk(const struct transfer *transfer)
{
        size_t left = transfer->size - transfer->n_written;
        size_t wanted = 1 + ((transfer->n_written + transfer->seed) * 2654435761u) % CHUNK_MAX;

        return wanted < left ? wanted : left;
}

/* False if the flow is gone. */
static bool transfer_try_write(struct transfer *transfer)
{
        const unsigned char *bytes = stream_at(transfer->n_written, transfer->seed);
        ssize_t n = send(transfer->from, bytes, next_chunk(transfer), MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0)
                transfer->n_written += (size_t)n;
        return n > 0 || (n < 0 && errno == EAGAIN);
}

static void transfer_write(struct transfer *transfer)
{
        assert_true(transfer_try_write(transfer));
}

static void transfer_read(struct transfer *transfer)
{
        static unsigned char chunk[CHUNK_MAX];
        size_t left = transfer->size - transfer->n_read;
        ssize_t n = recv(transfer->to, chunk, left < CHUNK_MAX ? left : CHUNK_MAX, MSG_DONTWAIT);

        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
        if (n < 0)
                return;
        assert_memory_equal(chunk, stream_at(transfer->n_read, transfer->seed), (size_t)n);
        transfer->n_read += (size_t)n;
}

static bool transfer_is_done(const struct transfer *transfer)
{
        return transfer->n_read == transfer->size;
}

/* Both directions at once. */
static void transfer_both(struct transfer *first, struct transfer *second)
{
        while (!transfer_is_done(first) || !transfer_is_done(second)) {
                struct transfer *transfers[] = { first, second };
                struct pollfd polls[4];

                for (int i = 0; i < 2; i++) {
                        bool writes = transfers[i]->n_written < transfers[i]->size;
                        bool reads = !transfer_is_done(transfers[i]);

                        polls[2 * i] =
                                (struct pollfd){ writes ? transfers[i]->from : -1, POLLOUT, 0 };
                        polls[2 * i + 1] =
                                (struct pollfd){ reads ? transfers[i]->to : -1, POLLIN, 0 };
                }
                assert_true(poll(polls, 4, -1) > 0);
                for (int i = 0; i < 2; i++) {
                        if (polls[2 * i].revents)
                                transfer_write(transfers[i]);
                        if (polls[2 * i + 1].revents)
                                transfer_read(transfers[i]);
                }
        }
}

static void carry(const struct flow *flow, size_t n_outbound, size_t n_inbound)
{
        struct transfer outbound = {
                .from = flow->client, .to = flow->server, .size = n_outbound, .seed = 1
        };
        struct transfer inbound = {
                .from = flow->server, .to = flow->client, .size = n_inbound, .seed = 2
        };

        transfer_both(&outbound, &inbound);
}

static void hear(int fd, const char *word)
{
        char heard[64] = "";

        assert_int_equal(recv(fd, heard, strlen(word), MSG_WAITALL), strlen(word));
        assert_string_equal(heard, word);
}

static void say(int from, int to, const char *word)
{
        assert_int_equal(send(from, word, strlen(word), MSG_NOSIGNAL), strlen(word));
        hear(to, word);
}

static void ask_and_answer(const struct flow *flow)
{
        say(flow->client, flow->server, "question");
        say(flow->server, flow->client, "answer");
}

static void assert_end_of_stream(int fd)
{
        char byte;

        assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

static void assert_reset(int fd)
{
        char byte;

        assert_int_equal(recv(fd, &byte, 1, 0), -1);
        assert_int_equal(errno, ECONNRESET);
}

/* --- what it does --------------------------------------------------------------------- */

static void bytes_arrive_intact_both_ways(void **state)
{
        static const size_t sizes[] = {
                0,         1,       100,    16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 64 * KIB + 1,
                300 * KIB, MIB + 1, 5 * MIB
        };
        struct scene *scene = *state;
        uint64_t id = 0;

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                size_t n_outbound = sizes[i], n_inbound = sizes[ARRAY_SIZE(sizes) - 1 - i];
                struct flow flow = open_flow(scene, ++id);
                struct relay_end end;

                carry(&flow, n_outbound, n_inbound);
                close_flow(&flow);
                end = end_of(scene, id);
                assert_int_equal(end.error, 0);
                assert_int_equal(end.bytes_outbound, n_outbound);
                assert_int_equal(end.bytes_inbound, n_inbound);
        }
        assert_int_equal(counts(scene).n_open, 0);
}

static void one_flow_changes_between_words_and_bulk(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);

        for (int i = 0; i < 5; i++) {
                ask_and_answer(&flow);
                carry(&flow, 2 * MIB, 100);
                ask_and_answer(&flow);
                carry(&flow, 1, 3 * MIB);
        }
        close_flow(&flow);
        assert_int_equal(end_of(scene, 1).error, 0);
}

/* A flow whose sockets can have something before the relay sees them. */
static void prepare_flow(struct flow *flow, int *ret_app, int *ret_upstream)
{
        connect_app(&flow->client, ret_app, 0);
        connect_pair(ret_upstream, &flow->server, 0);
}

static void what_was_there_before_the_relay_is_carried(void **state)
{
        struct scene *scene = *state;
        struct flow flow = {};
        int app, upstream;

        prepare_flow(&flow, &app, &upstream);
        assert_int_equal(send(flow.server, "hello", 5, 0), 5);
        shutdown(flow.server, SHUT_WR);
        assert_int_equal(relay_pool_add(scene->pool, 1, app, upstream), 0);
        hear(flow.client, "hello");
        assert_end_of_stream(flow.client);
        say(flow.client, flow.server, "still here");
        close_flow(&flow);
}

static void a_half_close_passes(struct scene *scene, bool is_outbound)
{
        struct flow flow = open_flow(scene, 1);
        int first = is_outbound ? flow.client : flow.server;
        int second = is_outbound ? flow.server : flow.client;
        struct transfer late = { .from = second, .to = first, .size = 5 * MIB };
        struct transfer none = {};

        say(first, second, "that is all");
        assert_int_equal(shutdown(first, SHUT_WR), 0);
        assert_end_of_stream(second);
        transfer_both(&late, &none);
        assert_int_equal(shutdown(second, SHUT_WR), 0);
        assert_end_of_stream(first);
        assert_int_equal(end_of(scene, 1).error, 0);
        close_flow(&flow);
}

static void a_half_close_passes_outbound(void **state)
{
        a_half_close_passes(*state, true);
}

static void a_half_close_passes_inbound(void **state)
{
        a_half_close_passes(*state, false);
}

static void a_reset_of_either_side_passes(void **state)
{
        struct scene *scene = *state;
        struct flow first = open_flow(scene, 1), second = open_flow(scene, 2);

        ask_and_answer(&first);
        reset(&first.client);
        assert_reset(first.server);
        assert_int_equal(end_of(scene, 1).error, -ECONNRESET);

        reset(&second.server);
        assert_reset(second.client);
        assert_int_equal(end_of(scene, 2).error, -ECONNRESET);
        close_flow(&first);
        close_flow(&second);
}

/* Nothing is read from a side that has closed its half, and still it can be reset. */
static void a_reset_after_a_half_close_passes(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);
        int error;

        assert_int_equal(shutdown(flow.client, SHUT_WR), 0);
        assert_end_of_stream(flow.server);
        reset(&flow.client);
        error = end_of(scene, 1).error;
        assert_int_equal(send(flow.server, "?", 1, MSG_NOSIGNAL), -1);
        assert_true(error == -ECONNRESET || error == -EPIPE);
        close_flow(&flow);
}

static void last_words_before_a_reset_arrive(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);

        ask_and_answer(&flow);
        assert_int_equal(send(flow.server, "too large", 9, 0), 9);
        reset(&flow.server);
        (void)end_of(scene, 1);
        hear(flow.client, "too large");
        assert_reset(flow.client);
        close_flow(&flow);
}

/* The relay may learn of the reset by a write, with the words still to be read. */
static void last_words_arrive_while_the_other_side_writes(void **state)
{
        struct scene *scene = *state;

        for (uint64_t id = 1; id <= 100; id++) {
                struct flow flow = open_flow(scene, id);
                struct transfer upload = { .from = flow.client, .size = MIB };

                for (int i = 0; i < 5; i++)
                        transfer_write(&upload);
                assert_int_equal(send(flow.server, "too large", 9, 0), 9);
                reset(&flow.server);
                (void)end_of(scene, id);
                hear(flow.client, "too large");
                close_flow(&flow);
        }
}

/* Reads stop in front of urgent data, whether they copy or splice; it is dropped. */
static void urgent_data_does_not_stop_what_follows(void **state)
{
        static const size_t sizes[] = { 3, 16 * KIB, 40 * KIB };
        struct scene *scene = *state;

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                struct flow flow = {};
                struct transfer first;
                int app, upstream;

                prepare_flow(&flow, &app, &upstream);
                first = (struct transfer){ flow.client, flow.server, .size = sizes[i] };
                while (first.n_written < first.size)
                        transfer_write(&first);
                assert_int_equal(send(flow.client, "!", 1, MSG_OOB), 1);
                assert_int_equal(send(flow.client, "and on", 6, 0), 6);
                assert_int_equal(relay_pool_add(scene->pool, i, app, upstream), 0);
                while (!transfer_is_done(&first))
                        transfer_read(&first);
                hear(flow.server, "and on");
                say(flow.client, flow.server, "and on");
                close_flow(&flow);
                assert_int_equal(end_of(scene, i).error, 0);
        }
}

/* --- limits --------------------------------------------------------------------------- */

/* Writes until the relay takes no more: until the other flow, which the same machine carries
 * meanwhile, has been asked and answered often and nothing was taken. */
static void write_until_stuck(struct transfer *transfer, const struct flow *other)
{
        size_t before;

        do {
                before = transfer->n_written;
                for (int i = 0; i < 100; i++) {
                        transfer_write(transfer);
                        ask_and_answer(other);
                }
        } while (transfer->n_written > before);
}

static void a_slow_reader_stops_the_writer(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow_with(scene, 1, SOCKET_BUFFER), other = open_flow(scene, 2);
        struct transfer slow = { .from = flow.client, .to = flow.server, .size = 64 * MIB };
        struct transfer none = {};

        write_until_stuck(&slow, &other);
        assert_in_range(slow.n_written, 1, SOCKET_BUFFERS_MAX + MIB);
        slow.size = slow.n_written;
        transfer_both(&slow, &none);
        close_flow(&flow);
        close_flow(&other);
}

/* A thousand round trips of another flow are a time in which a busy loop would count up. */
static void a_stuck_flow_costs_no_rounds(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow_with(scene, 1, SOCKET_BUFFER), other = open_flow(scene, 2);
        struct transfer outbound = { .from = flow.client, .to = flow.server, .size = 64 * MIB };
        struct transfer inbound = { .from = flow.server, .to = flow.client, .size = 64 * MIB };
        uint64_t n_rounds;

        write_until_stuck(&outbound, &other);
        write_until_stuck(&inbound, &other);
        n_rounds = counts(scene).n_rounds;
        for (int i = 0; i < 1000; i++)
                ask_and_answer(&other);
        assert_in_range(counts(scene).n_rounds - n_rounds, 1, 2100);
        close_flow(&flow);
        close_flow(&other);
}

/* What was left in a pipe is not the next flow's: on each worker, whose number is at most 4. */
static void assert_pipes_are_clean(struct scene *scene)
{
        struct flow flows[4];

        for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
                flows[i] = open_flow(scene, 10 + i);
                carry(&flows[i], 5 * MIB, 5 * MIB);
        }
        for (size_t i = 0; i < ARRAY_SIZE(flows); i++)
                close_flow(&flows[i]);
}

/* A stuck flow is cut, and ended by its peer, like any other. */
static void a_stuck_flow_can_end(void **state)
{
        struct scene *scene = *state;
        struct flow first = open_flow_with(scene, 1, SOCKET_BUFFER), other = open_flow(scene, 2);
        struct flow second = open_flow_with(scene, 3, SOCKET_BUFFER);
        struct transfer one = { .from = first.client, .to = first.server, .size = 64 * MIB };
        struct transfer two = { .from = second.client, .to = second.server, .size = 64 * MIB };

        write_until_stuck(&one, &other);
        write_until_stuck(&two, &other);
        relay_pool_cut(scene->pool, 1, -EPERM);
        assert_int_equal(end_of(scene, 1).error, -EPERM);
        reset(&second.client);
        assert_int_equal(end_of(scene, 3).error, -ECONNRESET);
        assert_int_equal(counts(scene).n_open, 1);
        close_flow(&first);
        close_flow(&second);
        close_flow(&other);
        assert_pipes_are_clean(scene);
}

static void many_flows_cost_two_descriptors_each(void **state)
{
        struct scene *scene = *state;
        struct flow flows[N_MANY];
        size_t n_fds = count_fds();

        for (size_t i = 0; i < N_MANY; i++) {
                flows[i] = open_flow(scene, i);
                ask_and_answer(&flows[i]);
        }
        assert_int_equal(counts(scene).n_open, N_MANY);
        assert_int_equal(counts(scene).n_pipes, 0);
        assert_int_equal(count_fds(), n_fds + 4 * N_MANY); /* two of them the test's */
        for (size_t i = 0; i < N_MANY; i++)
                close_flow(&flows[i]);
        for (size_t i = 0; i < N_MANY; i++)
                assert_int_equal(end_of(scene, i).error, 0);
        assert_int_equal(count_fds(), n_fds);
}

static void pipes_are_shared_by_flows(void **state)
{
        struct scene *scene = *state;
        struct flow flows[20];

        for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
                flows[i] = open_flow(scene, i);
                carry(&flows[i], MIB, MIB);
        }
        assert_in_range(counts(scene).n_pipes, 1, 2 * 4); /* a worker's own, one a direction */
        assert_in_range(counts(scene).n_bytes, 40 * MIB, 40 * MIB);
        for (size_t i = 0; i < ARRAY_SIZE(flows); i++)
                close_flow(&flows[i]);
}

/* With all numbers below the limit in use, no descriptor is left for a pipe. */
static void allow_no_more_fds(struct rlimit *ret_before)
{
        struct rlimit limit;
        int lowest_free = dup(STDIN_FILENO);

        close_fd(lowest_free);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, ret_before), 0);
        limit = (struct rlimit){ (rlim_t)lowest_free, ret_before->rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void without_pipes_bytes_are_copied(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1), slow = open_flow_with(scene, 2, SOCKET_BUFFER);
        struct transfer stuck = { .from = slow.client, .to = slow.server, .size = 64 * MIB };
        struct transfer none = {};
        struct rlimit before;

        allow_no_more_fds(&before);
        carry(&flow, 5 * MIB, 5 * MIB);
        write_until_stuck(&stuck, &flow);
        stuck.size = stuck.n_written;
        transfer_both(&stuck, &none);
        assert_int_equal(counts(scene).n_pipes, 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        carry(&flow, 5 * MIB, 5 * MIB);
        assert_int_not_equal(counts(scene).n_pipes, 0);
        close_flow(&flow);
        close_flow(&slow);
        assert_int_equal(end_of(scene, 1).error, 0);
}

/* --- life cycle ----------------------------------------------------------------------- */

static void a_cut_resets_both_sides(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 7);

        ask_and_answer(&flow);
        relay_pool_cut(scene->pool, 8, -EPERM);
        relay_pool_cut(scene->pool, 7, -EPERM);
        assert_reset(flow.client);
        assert_reset(flow.server);
        assert_int_equal(end_of(scene, 7).error, -EPERM);
        relay_pool_cut(scene->pool, 7, -EPERM);
        assert_int_equal(scene->n_ends, 1);
        close_flow(&flow);
}

static void a_freed_pool_resets_what_is_open(void **state)
{
        struct scene *scene = *state;
        struct flow idle = open_flow(scene, 1), busy = open_flow_with(scene, 2, SOCKET_BUFFER);
        struct transfer bulk = { .from = busy.client, .to = busy.server, .size = 64 * MIB };

        write_until_stuck(&bulk, &idle);
        scene->pool = relay_pool_free(scene->pool);
        assert_reset(idle.client);
        assert_reset(idle.server);
        assert_int_equal(scene->n_ends, 0);
        close_flow(&idle);
        close_flow(&busy);
}

static void what_is_no_tcp_socket_is_refused(void **state)
{
        struct scene *scene = *state;
        size_t n_fds = count_fds();
        int near, far, pipe_fds[2];

        connect_app(&near, &far, 0);
        assert_int_equal(pipe(pipe_fds), 0);
        close_fd(pipe_fds[0]);
        assert_int_equal(relay_pool_add(scene->pool, 1, far, pipe_fds[1]), -ENOTSOCK);
        assert_reset(near);
        close_fd(near);
        assert_int_equal(count_fds(), n_fds);
}

/* An extension that has kept its upstream can still make events on it. */
static void a_duplicate_of_a_finished_upstream_is_harmless(void **state)
{
        struct scene *scene = *state;
        struct flow flow = {}, other;
        _cleanup_fd_ int duplicate = -1;
        int app, upstream;

        prepare_flow(&flow, &app, &upstream);
        duplicate = dup(upstream);
        assert_int_equal(relay_pool_add(scene->pool, 1, app, upstream), 0);
        ask_and_answer(&flow);
        relay_pool_cut(scene->pool, 1, -EPERM);
        (void)end_of(scene, 1);

        assert_int_equal(send(flow.server, "late", 4, MSG_NOSIGNAL), 4);
        other = open_flow(scene, 2);
        ask_and_answer(&other);
        close_flow(&flow);
        ask_and_answer(&other);
        close_flow(&other);
}

/* Programs and relays of one machine share its CPUs. */
static void half_of_the_cpus_are_left_to_programs(void **state)
{
        const struct scene *scene = *state;
        size_t n_workers = count_threads() - scene->n_threads_before;
        long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);

        assert_true(n_workers >= 1);
        assert_true(n_workers == 1 || 2 * (long)n_workers <= n_cpus);
}

/* *ret_duplicate is what its holder has kept. */
static struct flow open_shared_flow(struct scene *scene, uint64_t id, int *ret_duplicate)
{
        struct flow flow = {};
        int app, upstream;

        prepare_flow(&flow, &app, &upstream);
        *ret_duplicate = dup(upstream);
        assert_int_equal(relay_pool_add(scene->pool, id, app, upstream), 0);
        return flow;
}

/* On each worker, whose number is at most 4. */
static void open_others(struct scene *scene, struct flow others[4])
{
        for (uint64_t i = 0; i < 4; i++)
                others[i] = open_flow(scene, 2 + i);
}

static void close_others(struct flow others[4])
{
        for (size_t i = 0; i < 4; i++) {
                ask_and_answer(&others[i]);
                close_flow(&others[i]);
        }
}

/* A worker that waited would wait for ever: the pool has no turn to interrupt it. */
static void an_upstream_that_blocks_delays_no_other_flow(void **state)
{
        struct scene *scene = *state;
        _cleanup_fd_ int duplicate = -1;
        struct flow flow = open_shared_flow(scene, 1, &duplicate), others[4];
        struct transfer bulk = { .from = flow.client, .size = 64 * MIB };

        open_others(scene, others);
        assert_int_equal(fcntl(duplicate, F_SETFL, 0), 0);
        while (transfer_try_write(&bulk))
                for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                        ask_and_answer(&others[i]);
        assert_int_equal(end_of(scene, 1).error, -EBADFD);
        close_others(others);
        close_flow(&flow);
}

/* Its holder takes the time limit away, too, once there is one. */
static struct flow open_flow_that_blocks(struct scene *scene, uint64_t id)
{
        const struct timeval no_limit = {};
        _cleanup_fd_ int duplicate = -1;
        struct flow flow = open_shared_flow(scene, id, &duplicate);

        carry(&flow, MIB, 0);
        assert_int_equal(fcntl(duplicate, F_SETFL, 0), 0);
        assert_int_equal(
                setsockopt(duplicate, SOL_SOCKET, SO_SNDTIMEO, &no_limit, sizeof(no_limit)), 0);
        return flow;
}

static void rest(struct scene *scene)
{
        for (int i = 0; i < 20 && !list_is_empty(&scene->loop.timers); i++)
                assert_int_equal(loop_dispatch(&scene->loop, -1), 0);
}

/* Open flows that say nothing let everybody sleep. */
static void flows_that_rest_leave_no_timer(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);

        for (int i = 0; i < 2; i++) {
                ask_and_answer(&flow);
                assert_int_equal(loop_dispatch(&scene->loop, -1), 0);
                assert_false(list_is_empty(&scene->loop.timers));
                rest(scene);
                assert_true(list_is_empty(&scene->loop.timers));
        }
        assert_int_equal(counts(scene).n_open, 1);
        close_flow(&flow);
        assert_int_equal(end_of(scene, 1).error, 0);
}

/* One flow must not stop the others of its worker, also after all have rested. */
static void who_makes_an_upstream_block_loses_the_flow(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow_that_blocks(scene, 1), others[4];
        struct transfer bulk = { .from = flow.client, .size = 64 * MIB };

        (void)transfer_try_write(&bulk);
        assert_int_equal(loop_dispatch(&scene->loop, -1), 0);
        rest(scene);
        while (scene->n_ends == 0) {
                (void)transfer_try_write(&bulk);
                assert_int_equal(loop_dispatch(&scene->loop, 1), 0);
        }
        assert_int_equal(end_of(scene, 1).error, -EBADFD);
        open_others(scene, others);
        close_others(others);
        close_flow(&flow);
}

static void a_pool_can_be_freed_while_a_worker_is_blocked(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow_that_blocks(scene, 1);
        struct transfer bulk = { .from = flow.client, .size = 64 * MIB };

        for (int i = 0; i < 100; i++) {
                (void)transfer_try_write(&bulk);
                assert_int_equal(loop_dispatch(&scene->loop, 1), 0);
        }
        scene->pool = relay_pool_free(scene->pool);
        close_flow(&flow);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(bytes_arrive_intact_both_ways),
                TEST(one_flow_changes_between_words_and_bulk),
                TEST(what_was_there_before_the_relay_is_carried),
                TEST(a_half_close_passes_outbound),
                TEST(a_half_close_passes_inbound),
                TEST(a_reset_of_either_side_passes),
                TEST(a_reset_after_a_half_close_passes),
                TEST(last_words_before_a_reset_arrive),
                TEST(last_words_arrive_while_the_other_side_writes),
                TEST(urgent_data_does_not_stop_what_follows),
                TEST(a_slow_reader_stops_the_writer),
                TEST(a_stuck_flow_costs_no_rounds),
                TEST(a_stuck_flow_can_end),
                TEST(many_flows_cost_two_descriptors_each),
                TEST(pipes_are_shared_by_flows),
                TEST(without_pipes_bytes_are_copied),
                TEST(a_cut_resets_both_sides),
                TEST(a_freed_pool_resets_what_is_open),
                TEST(what_is_no_tcp_socket_is_refused),
                TEST(a_duplicate_of_a_finished_upstream_is_harmless),
                TEST(half_of_the_cpus_are_left_to_programs),
                TEST(an_upstream_that_blocks_delays_no_other_flow),
                TEST(flows_that_rest_leave_no_timer),
                TEST(who_makes_an_upstream_block_loses_the_flow),
                TEST(a_pool_can_be_freed_while_a_worker_is_blocked),
        };

        signal(SIGPIPE, SIG_IGN);
        make_pattern();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
