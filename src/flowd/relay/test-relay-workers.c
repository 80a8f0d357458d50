/* SPDX-License-Identifier: Apache-2.0 */

/* The relay's workers: they rest when there is nothing to do, and none can be made to wait. */

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

/* Writes until nothing is taken any more. False if the flow is gone. */
static bool fill(struct transfer *transfer)
{
        size_t before;

        do {
                before = transfer->n_written;
                if (!transfer_try_write(transfer))
                        return false;
        } while (transfer->n_written > before);
        return true;
}

/* What is stuck in the relay's buffer, and not in a splice, does not block; nor what comes next,
 * until this. */
static void drain(int fd)
{
        static char chunk[CHUNK_MAX];

        while (recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT) > 0)
                ;
}

/* Until the first splice nothing goes by the flag; then it is set. */
static void an_upstream_that_comes_blocking_is_carried(void **state)
{
        struct scene *scene = *state;
        _cleanup_fd_ int duplicate = -1;
        struct flow flow = open_shared_flow(scene, 1, &duplicate);

        assert_int_equal(fcntl(duplicate, F_SETFL, 0), 0);
        ask_and_answer(&flow);
        carry(&flow, 4 * MIB, 4 * MIB);
        close_flow(&flow);
        assert_int_equal(end_of(scene, 1).error, 0);
}

/* A worker that waited would wait for ever: the pool has no turn to interrupt it. */
static void an_upstream_that_blocks_delays_no_other_flow(void **state)
{
        struct scene *scene = *state;
        _cleanup_fd_ int duplicate = -1;
        struct flow flow = open_shared_flow(scene, 1, &duplicate), others[4];
        struct transfer bulk = { .from = flow.client, .size = SIZE_MAX };

        open_others(scene, others);
        carry(&flow, MIB, 0);
        assert_int_equal(fcntl(duplicate, F_SETFL, 0), 0);
        while (fill(&bulk)) {
                for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                        ask_and_answer(&others[i]);
                drain(flow.server);
        }
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
        struct transfer bulk = { .from = flow.client, .size = SIZE_MAX };

        (void)transfer_try_write(&bulk);
        assert_int_equal(loop_dispatch(&scene->loop, -1), 0);
        rest(scene);
        for (unsigned int i = 1; scene->n_ends == 0; i++) {
                (void)transfer_try_write(&bulk);
                assert_int_equal(loop_dispatch(&scene->loop, 1), 0);
                if (i % 1000 == 0)
                        drain(flow.server);
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(an_upstream_that_comes_blocking_is_carried),
                TEST(an_upstream_that_blocks_delays_no_other_flow),
                TEST(flows_that_rest_leave_no_timer),
                TEST(who_makes_an_upstream_block_loses_the_flow),
                TEST(a_pool_can_be_freed_while_a_worker_is_blocked),
        };

        signal(SIGPIPE, SIG_IGN);
        make_pattern();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
