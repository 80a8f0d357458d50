/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Inspected datagrams between real UDP sockets on 127.0.0.1: client <-> app, upstream <-> server,
 * and the test is the client, the server and all inspectors.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <netext/filter.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "inspect/datagrams.h"
#include "wire/table.h"

#define KIB           1024
#define MIB           (1024 * KIB)
#define TIMEOUT_MS    60000
#define QUESTIONS_MAX 64

struct question {
        unsigned int inspector;
        enum nx_direction direction;
        uint64_t offset;
        size_t size;
        char bytes[32];
};

struct scene {
        struct loop loop;
        struct datagrams_pool *pool;
        struct datagrams *datagrams;
        int client, server;
        struct question questions[QUESTIONS_MAX];
        unsigned int n_asked, n_answered;
        unsigned int n_ended, n_done;
        uint64_t passed[8], dropped[8]; /* tokens of what waited in the kernel */
        unsigned int n_passed, n_dropped;
        int error;
        bool is_busy, drops_in_show, ends_with_upstream;
};

static bool handle_show(struct datagrams *datagrams, unsigned int inspector,
                        enum nx_direction direction, uint64_t offset, const void *bytes,
                        size_t size, void *userdata)
{
        const struct inspection_verdict drop = { .verdict = NX_VERDICT_DROP };
        struct scene *scene = userdata;
        struct question *question = &scene->questions[scene->n_asked % QUESTIONS_MAX];

        if (scene->is_busy)
                return false;
        *question = (struct question){
                .inspector = inspector, .direction = direction, .offset = offset, .size = size
        };
        memcpy(question->bytes, bytes, size < sizeof(question->bytes) ? size : 31);
        scene->n_asked++;
        if (scene->drops_in_show)
                assert_int_equal(datagrams_verdict(datagrams, inspector, direction, &drop), 0);
        return true;
}

static void handle_ended(struct datagrams *datagrams, int error, uint64_t bytes_outbound,
                         uint64_t bytes_inbound, void *userdata)
{
        struct scene *scene = userdata;

        scene->n_ended++;
        scene->error = error;
}

static void handle_decide(struct datagrams *datagrams, enum nx_direction direction, uint64_t token,
                          bool passes, void *userdata)
{
        struct scene *scene = userdata;

        if (passes)
                scene->passed[scene->n_passed++] = token;
        else
                scene->dropped[scene->n_dropped++] = token;
}

static void handle_done(struct datagrams *datagrams, uint64_t bytes_outbound,
                        uint64_t bytes_inbound, void *userdata)
{
        struct scene *scene = userdata;

        scene->n_done++;
}

static const struct datagrams_listener listener = {
        .show = handle_show,
        .decide = handle_decide,
        .done = handle_done,
        .ended = handle_ended,
};

static int set_up(void **state)
{
        struct scene *scene = calloc(1, sizeof(*scene));

        alarm(TIMEOUT_MS / 1000);
        scene->client = scene->server = -1;
        assert_int_equal(loop_init(&scene->loop), 0);
        assert_int_equal(datagrams_pool_new(&scene->pool, &scene->loop, &listener, 8UL * MIB), 0);
        *state = scene;
        return 0;
}

static int tear_down(void **state)
{
        struct scene *scene = *state;

        scene->pool = datagrams_pool_free(scene->pool);
        close_fd(scene->client);
        close_fd(scene->server);
        loop_deinit(&scene->loop);
        free(scene);
        return 0;
}

static int bind_any(struct sockaddr_in *ret_address)
{
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(*ret_address);

        *ret_address = (struct sockaddr_in){ .sin_family = AF_INET,
                                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        assert_return_code(bind(fd, (struct sockaddr *)ret_address, size), errno);
        assert_return_code(getsockname(fd, (struct sockaddr *)ret_address, &size), errno);
        return fd;
}

static void connect_pair(int *ret_a, int *ret_b)
{
        struct sockaddr_in a, b;

        *ret_a = bind_any(&a);
        *ret_b = bind_any(&b);
        assert_return_code(connect(*ret_a, (struct sockaddr *)&b, sizeof(b)), errno);
        assert_return_code(connect(*ret_b, (struct sockaddr *)&a, sizeof(a)), errno);
}

static void open_with(struct scene *scene, const struct inspection_peek *peeks,
                      unsigned int n_inspectors)
{
        struct inspection_setup setup = { .ends_with_upstream = scene->ends_with_upstream,
                                          .peeks = peeks,
                                          .n_inspectors = n_inspectors,
                                          .userdata = scene };

        connect_pair(&scene->client, &setup.app_fd);
        connect_pair(&setup.upstream_fd, &scene->server);
        assert_int_equal(datagrams_new(&scene->datagrams, scene->pool, &setup), 0);
}

static void open_flow(struct scene *scene, unsigned int n_inspectors)
{
        static const struct inspection_peek any[INSPECTION_INSPECTORS_MAX] = {};

        open_with(scene, any, n_inspectors);
}

static void open_held(struct scene *scene, const struct inspection_peek *peeks,
                      unsigned int n_inspectors)
{
        struct inspection_setup setup = { .app_fd = -1,
                                          .upstream_fd = -1,
                                          .peeks = peeks,
                                          .n_inspectors = n_inspectors,
                                          .userdata = scene };

        assert_int_equal(datagrams_new(&scene->datagrams, scene->pool, &setup), 0);
}

static void take(struct scene *scene, const char *text, uint64_t token)
{
        datagrams_take(scene->datagrams, NX_DIRECTION_OUTBOUND, text, strlen(text), token);
}

static void settle(struct scene *scene)
{
        for (int i = 0; i < 10; i++)
                assert_int_equal(loop_dispatch(&scene->loop, i < 5 ? 0 : 1), 0);
}

static void put(struct scene *scene, int fd, const char *text)
{
        assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
        settle(scene);
}

static void assert_gets(int fd, const char *text)
{
        char bytes[64];
        ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

        assert_int_equal(n, strlen(text));
        assert_memory_equal(bytes, text, (size_t)n);
}

static void assert_gets_nothing(int fd)
{
        char byte;

        assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
}

static void assert_shown(struct scene *scene, unsigned int inspector, uint64_t offset,
                         const char *text)
{
        const struct question *question = &scene->questions[scene->n_answered % QUESTIONS_MAX];

        assert_true(scene->n_answered < scene->n_asked);
        scene->n_answered++;
        assert_int_equal(question->inspector, inspector);
        assert_int_equal(question->offset, offset);
        assert_int_equal(question->size, strlen(text));
        assert_string_equal(question->bytes, text);
}

static void assert_quiet(struct scene *scene)
{
        assert_int_equal(scene->n_asked, scene->n_answered);
}

static void say(struct scene *scene, unsigned int inspector, struct inspection_verdict verdict)
{
        assert_int_equal(
                datagrams_verdict(scene->datagrams, inspector, NX_DIRECTION_OUTBOUND, &verdict), 0);
}

static void pass(struct scene *scene, unsigned int inspector, uint64_t pass_bytes)
{
        say(scene, inspector,
            (struct inspection_verdict){ .verdict = NX_VERDICT_FILTER_DATA,
                                         .pass_bytes = pass_bytes });
}

static void update(struct scene *scene, unsigned int inspector, uint64_t pass_bytes)
{
        say(scene, inspector,
            (struct inspection_verdict){ .verdict = NX_VERDICT_FILTER_DATA,
                                         .is_update = true,
                                         .pass_bytes = pass_bytes });
}

static void decide(struct scene *scene, unsigned int inspector, enum nx_verdict verdict)
{
        say(scene, inspector, (struct inspection_verdict){ .verdict = verdict });
}

static void test_each_sees_them_in_order(void **state)
{
        struct scene *scene = *state;

        open_flow(scene, 2);
        put(scene, scene->client, "one");
        put(scene, scene->client, "second");
        assert_shown(scene, 0, 0, "one");
        assert_quiet(scene);
        pass(scene, 0, 3);
        assert_shown(scene, 1, 0, "one");
        assert_shown(scene, 0, 3, "second");
        pass(scene, 0, 6);
        assert_quiet(scene);
        assert_gets_nothing(scene->server);
        pass(scene, 1, 3);
        assert_gets(scene->server, "one");
        assert_shown(scene, 1, 3, "second");
        pass(scene, 1, 6);
        assert_gets(scene->server, "second");
}

static void test_less_than_all_drops_it(void **state)
{
        struct scene *scene = *state;

        open_flow(scene, 2);
        put(scene, scene->client, "first");
        put(scene, scene->client, "next");
        assert_shown(scene, 0, 0, "first");
        pass(scene, 0, 4);
        assert_shown(scene, 0, 5, "next");
        pass(scene, 0, 4);
        assert_shown(scene, 1, 5, "next");
        pass(scene, 1, 4);
        assert_gets(scene->server, "next");
        assert_gets_nothing(scene->server);
}

static void test_more_than_all_lets_the_next_pass(void **state)
{
        struct scene *scene = *state;

        open_flow(scene, 1);
        put(scene, scene->client, "one");
        assert_shown(scene, 0, 0, "one");
        pass(scene, 0, 8);
        put(scene, scene->client, "two");
        put(scene, scene->client, "three");
        assert_shown(scene, 0, 6, "three");
        assert_gets(scene->server, "one");
        assert_gets(scene->server, "two");
        assert_gets_nothing(scene->server);
}

static void test_an_empty_datagram_is_one(void **state)
{
        struct scene *scene = *state;

        open_flow(scene, 1);
        put(scene, scene->client, "");
        assert_shown(scene, 0, 0, "");
        pass(scene, 0, 0);
        assert_gets(scene->server, "");
        put(scene, scene->client, "x");
        assert_shown(scene, 0, 0, "x");
}

static void test_who_paused_decides_by_an_update(void **state)
{
        struct scene *scene = *state;

        open_flow(scene, 1);
        put(scene, scene->client, "one");
        put(scene, scene->client, "two");
        assert_shown(scene, 0, 0, "one");
        decide(scene, 0, NX_VERDICT_PAUSE);
        assert_quiet(scene);
        update(scene, 0, 3);
        assert_gets(scene->server, "one");
        assert_shown(scene, 0, 3, "two");
        update(scene, 0, 3);
        assert_gets_nothing(scene->server);
        pass(scene, 0, 0);
        assert_gets(scene->server, "two");
}

static void test_the_first_can_pass_unseen(void **state)
{
        struct scene *scene = *state;
        const struct inspection_peek peek = { .pass_outbound = 3 };

        open_with(scene, &peek, 1);
        put(scene, scene->client, "one");
        assert_gets(scene->server, "one");
        assert_quiet(scene);
        put(scene, scene->client, "second");
        assert_shown(scene, 0, 3, "second");
}

static void test_allowed_datagrams_pass_unseen(void **state)
{
        struct scene *scene = *state;

        open_flow(scene, 2);
        put(scene, scene->client, "one");
        put(scene, scene->client, "two");
        assert_shown(scene, 0, 0, "one");
        decide(scene, 0, NX_VERDICT_ALLOW);
        assert_shown(scene, 1, 0, "one");
        datagrams_remove_inspector(scene->datagrams, 1, true);
        decide(scene, 1, NX_VERDICT_DROP); /* too late */
        put(scene, scene->client, "three");
        put(scene, scene->server, "four");
        assert_quiet(scene);
        assert_gets(scene->server, "one");
        assert_gets(scene->server, "two");
        assert_gets(scene->server, "three");
        assert_gets(scene->client, "four");
}

static void test_drop_ends_the_flow(void **state)
{
        struct scene *scene = *state;

        open_flow(scene, 2);
        scene->drops_in_show = true;
        put(scene, scene->client, "evil");
        assert_int_equal(scene->n_ended, 1);
        assert_int_equal(scene->error, -EPERM);
}

static void test_a_provider_that_may_not_be_missed(void **state)
{
        struct scene *scene = *state;

        open_flow(scene, 1);
        put(scene, scene->client, "held");
        datagrams_remove_inspector(scene->datagrams, 0, false);
        assert_int_equal(scene->n_ended, 1);
        assert_int_equal(scene->error, -ECONNABORTED);
        assert_gets_nothing(scene->server);
}

static void test_a_question_that_could_not_be_sent_is_asked_again(void **state)
{
        struct scene *scene = *state;

        open_flow(scene, 1);
        scene->is_busy = true;
        put(scene, scene->client, "patience");
        scene->is_busy = false;
        put(scene, scene->client, "more");
        assert_quiet(scene);
        datagrams_retry(scene->datagrams, 0);
        assert_shown(scene, 0, 0, "patience");
}

static void test_a_refused_datagram_ends_nothing(void **state)
{
        struct scene *scene = *state;

        open_flow(scene, 0);
        scene->server = close_fd(scene->server);
        put(scene, scene->client, "to nobody");
        put(scene, scene->client, "once more");
        assert_int_equal(scene->n_ended, 0);
        datagrams_cut(scene->datagrams, 0);
        assert_int_equal(scene->n_ended, 1);
        assert_int_equal(scene->error, 0);
}

static void test_an_extension_that_hangs_up_ends_the_flow(void **state)
{
        struct scene *scene = *state;

        scene->ends_with_upstream = true;
        open_flow(scene, 0);
        scene->server = close_fd(scene->server);
        assert_int_equal(scene->n_ended, 0);
        put(scene, scene->client, "to nobody");
        assert_int_equal(scene->n_ended, 1);
        assert_int_equal(scene->error, 0);
}

/* Its client's errors are others' affair. */
static void test_a_program_that_is_not_heard_ends_nothing(void **state)
{
        struct scene *scene = *state;

        scene->ends_with_upstream = true;
        open_flow(scene, 0);
        scene->client = close_fd(scene->client);
        put(scene, scene->server, "to nobody");
        put(scene, scene->server, "once more");
        assert_int_equal(scene->n_ended, 0);
}

static void test_what_finds_no_room_is_dropped(void **state)
{
        struct scene *scene = *state;
        static const char zeros[WIRE_DATA_MAX + 1];
        struct datagrams_counts counts;

        open_flow(scene, 1);
        assert_int_equal(send(scene->client, zeros, sizeof(zeros), 0), sizeof(zeros));
        settle(scene);
        assert_quiet(scene);
        datagrams_pool_count(scene->pool, &counts);
        assert_int_equal(counts.n_dropped, 1);
        for (unsigned int i = 0; i < 80; i++) {
                assert_int_equal(send(scene->client, zeros, WIRE_DATA_MAX, 0), WIRE_DATA_MAX);
                assert_int_equal(loop_dispatch(&scene->loop, 1), 0);
        }
        datagrams_pool_count(scene->pool, &counts);
        assert_in_range(counts.n_bytes, DATAGRAMS_QUEUE_MAX - 2 * WIRE_DATA_MAX,
                        DATAGRAMS_QUEUE_MAX);
        assert_true(counts.n_dropped > 1);
        decide(scene, 0, NX_VERDICT_ALLOW);
        datagrams_pool_count(scene->pool, &counts);
        assert_int_equal(counts.n_bytes, 0);
}

#define datagrams_test(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static void test_what_waits_in_the_kernel_is_decided_there(void **state)
{
        static const struct inspection_peek any[2] = {};
        struct scene *scene = *state;

        open_held(scene, any, 2);
        take(scene, "one", 11);
        take(scene, "second", 12);
        take(scene, "third", 13);
        assert_shown(scene, 0, 0, "one");
        pass(scene, 0, 3);
        assert_int_equal(scene->n_passed, 0);
        assert_shown(scene, 1, 0, "one");
        assert_shown(scene, 0, 3, "second");
        pass(scene, 1, 3);
        assert_int_equal(scene->n_passed, 1);
        assert_int_equal(scene->passed[0], 11);
        pass(scene, 0, 0);
        assert_int_equal(scene->n_dropped, 1);
        assert_int_equal(scene->dropped[0], 12);
        assert_shown(scene, 0, 9, "third");
        datagrams_cut(scene->datagrams, 0);
        assert_int_equal(scene->n_dropped, 2);
        assert_int_equal(scene->dropped[1], 13);
        assert_int_equal(scene->n_ended, 1);
        assert_int_equal(scene->n_done, 0);
}

static void test_the_kernel_needs_nobody_after_the_last_look(void **state)
{
        static const struct inspection_peek one_way[1] = { { .inbound = NX_DATA_BYTES_MAX } };
        struct scene *scene = *state;

        open_held(scene, one_way, 1);
        datagrams_take(scene->datagrams, NX_DIRECTION_INBOUND, "unseen", 6, 10);
        assert_int_equal(scene->passed[0], 10);
        take(scene, "one", 11);
        assert_shown(scene, 0, 0, "one");
        pass(scene, 0, NX_DATA_BYTES_MAX);
        assert_int_equal(scene->passed[1], 11);
        assert_int_equal(scene->n_done, 1);
        assert_int_equal(scene->n_ended, 0);
}

static void test_what_is_too_large_to_show_is_dropped_where_it_waits(void **state)
{
        static const struct inspection_peek any[1] = {};
        struct scene *scene = *state;

        open_held(scene, any, 1);
        datagrams_take(scene->datagrams, NX_DIRECTION_OUTBOUND, NULL, WIRE_DATA_MAX + 1, 11);
        assert_int_equal(scene->dropped[0], 11);
        decide(scene, 0, NX_VERDICT_ALLOW);
        assert_int_equal(scene->n_done, 1);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                datagrams_test(test_each_sees_them_in_order),
                datagrams_test(test_less_than_all_drops_it),
                datagrams_test(test_more_than_all_lets_the_next_pass),
                datagrams_test(test_an_empty_datagram_is_one),
                datagrams_test(test_who_paused_decides_by_an_update),
                datagrams_test(test_the_first_can_pass_unseen),
                datagrams_test(test_allowed_datagrams_pass_unseen),
                datagrams_test(test_drop_ends_the_flow),
                datagrams_test(test_a_provider_that_may_not_be_missed),
                datagrams_test(test_a_question_that_could_not_be_sent_is_asked_again),
                datagrams_test(test_a_refused_datagram_ends_nothing),
                datagrams_test(test_an_extension_that_hangs_up_ends_the_flow),
                datagrams_test(test_a_program_that_is_not_heard_ends_nothing),
                datagrams_test(test_what_finds_no_room_is_dropped),
                datagrams_test(test_what_waits_in_the_kernel_is_decided_there),
                datagrams_test(test_the_kernel_needs_nobody_after_the_last_look),
                datagrams_test(test_what_is_too_large_to_show_is_dropped_where_it_waits),
        };

        return cmocka_run_group_tests_name("datagrams", tests, NULL, NULL);
}
