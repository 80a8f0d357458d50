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
#include "relay/test-scene.h"

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
        };

        signal(SIGPIPE, SIG_IGN);
        make_pattern();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
