/* SPDX-License-Identifier: Apache-2.0 */

/* What inspectors may say of the bytes of a stream, and what becomes of them. */

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <netext/filter.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/socket.h"
#include "inspect/test-scene.h"

/* --- tests ---------------------------------------------------------------------------- */

static void test_bytes_go_on_when_all_let_them(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 2);

        put(flow.client, "question");
        pass(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "question"), 5);
        assert_gets_nothing(scene, flow.server);
        pass(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "ion"), 3);
        pass(assert_shown(scene, 1, NX_DIRECTION_OUTBOUND, "quest"), 5);
        assert_gets(scene, flow.server, "quest");
        pass(assert_shown(scene, 1, NX_DIRECTION_OUTBOUND, "ion"), 3);
        assert_gets(scene, flow.server, "ion");
        put(flow.server, "answer");
        pass(assert_shown(scene, 0, NX_DIRECTION_INBOUND, "answer"), 6);
        pass(assert_shown(scene, 1, NX_DIRECTION_INBOUND, "answer"), 6);
        assert_gets(scene, flow.client, "answer");
        close_flow(&flow);
}

static void test_a_direction_can_pass_unseen(void **state)
{
        struct scene *scene = *state;
        const struct inspection_peek peek = { .outbound = 6, .inbound = NX_DATA_BYTES_MAX };
        struct flow flow;

        assert_int_equal(try_open(scene, &peek, 1, &flow), 0);
        put(flow.server, "unseen");
        assert_gets(scene, flow.client, "unseen");
        put(flow.client, "two");
        settle(scene);
        assert_int_equal(scene->n_asked, 0);
        put(flow.client, "parts");
        assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "twoparts");
        close_flow(&flow);
}

static void test_bytes_can_pass_unseen_before_those_that_are_shown_first(void **state)
{
        struct scene *scene = *state;
        const struct inspection_peek peek = { .pass_outbound = 4,
                                              .outbound = 6,
                                              .pass_inbound = 2 };
        struct flow flow;

        assert_int_equal(try_open(scene, &peek, 1, &flow), 0);
        put(flow.client, "headtwo");
        assert_gets(scene, flow.server, "head");
        assert_int_equal(scene->n_asked, 0);
        put(flow.client, "parts");
        assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "twoparts");
        put(flow.server, "answer");
        assert_gets(scene, flow.client, "an");
        assert_shown(scene, 0, NX_DIRECTION_INBOUND, "swer");
        close_flow(&flow);
}

static void test_an_end_goes_on_when_it_was_answered(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);
        const struct question *question;

        put(flow.client, "last");
        shutdown(flow.client, SHUT_WR);
        pass(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "last"), 3);
        assert_gets(scene, flow.server, "las");
        pass(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "t"), 0);
        question = assert_asked(scene, 0, NX_DIRECTION_OUTBOUND, true);
        assert_gets_nothing(scene, flow.server);
        pass(question, 1);
        assert_gets(scene, flow.server, "t");
        assert_gets_end(scene, flow.server);

        put(flow.server, "answer");
        pass(assert_shown(scene, 0, NX_DIRECTION_INBOUND, "answer"), NX_DATA_BYTES_MAX);
        settle(scene);
        assert_gets(scene, flow.client, "answer");
        close_flow(&flow);
}

static void test_both_ends_end_the_flow(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);

        put(flow.client, "ab");
        pass(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "ab"), 2);
        shutdown(flow.client, SHUT_WR);
        pass(assert_asked(scene, 0, NX_DIRECTION_OUTBOUND, true), 0);
        assert_gets(scene, flow.server, "ab");
        assert_gets_end(scene, flow.server);
        shutdown(flow.server, SHUT_WR);
        pass(assert_asked(scene, 0, NX_DIRECTION_INBOUND, true), 0);
        assert_ended(scene, 0);
        assert_gets_end(scene, flow.client);
        assert_int_equal(scene->bytes_outbound, 2);
        assert_int_equal(scene->bytes_inbound, 0);
        close_flow(&flow);
}

static void test_drop_resets_both(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 2);

        put(flow.client, "evil");
        decide(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "evil"), NX_VERDICT_DROP);
        assert_ended(scene, -EPERM);
        assert_gets_reset(scene, flow.client);
        assert_gets_reset(scene, flow.server);
        close_flow(&flow);
}

static void test_a_reset_goes_on_behind_what_was_said_before(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);
        const struct question *question;

        put(flow.server, "last words");
        question = assert_shown(scene, 0, NX_DIRECTION_INBOUND, "last words");
        reset(&flow.server);
        settle(scene);
        pass(question, 10);
        assert_gets(scene, flow.client, "last words");
        pass(assert_asked(scene, 0, NX_DIRECTION_INBOUND, true), 0);
        assert_ended(scene, -ECONNRESET);
        assert_gets_reset(scene, flow.client);
        close_flow(&flow);
}

static void test_a_reset_without_a_word_ends_at_once(void **state)
{
        struct scene *scene = *state;
        const struct inspection_peek peek = { .outbound = 0, .inbound = NX_DATA_BYTES_MAX };
        struct flow flow;

        assert_int_equal(try_open(scene, &peek, 1, &flow), 0);
        settle(scene);
        reset(&flow.server);
        assert_ended(scene, -ECONNRESET);
        assert_gets_reset(scene, flow.client);
        close_flow(&flow);
}

/* Whichever of the two events of one round is first, the other one finds nobody. */
static void test_both_sides_reset_in_one_round(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);

        settle(scene);
        reset(&flow.server);
        reset(&flow.client);
        while (scene->n_ended == 0)
                if (scene->n_asked > scene->n_answered)
                        pass(next_question(scene), 0);
                else
                        assert_int_equal(loop_dispatch(&scene->loop, -1), 0);
        assert_int_equal(scene->error, -ECONNRESET);
        close_flow(&flow);
}

static void test_cut(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);

        inspection_cut(flow.inspection, -ETIMEDOUT);
        assert_ended(scene, -ETIMEDOUT);
        assert_gets_reset(scene, flow.client);
        close_flow(&flow);
}

static void test_cut_while_bytes_are_shown(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 3);

        scene->cuts_in_show = true;
        put(flow.client, "x");
        put(flow.server, "y");
        assert_ended(scene, -EIO);
        assert_int_equal(scene->n_asked, 1);
        close_flow(&flow);
}

static void test_a_provider_that_is_gone(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 2);

        put(flow.client, "held");
        (void)assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "held");
        inspection_remove_inspector(flow.inspection, 0, true);
        pass(assert_shown(scene, 1, NX_DIRECTION_OUTBOUND, "held"), 4);
        assert_gets(scene, flow.server, "held");
        inspection_remove_inspector(flow.inspection, 1, false);
        assert_ended(scene, -ECONNABORTED);
        close_flow(&flow);
}

static void test_who_has_seen_enough_is_not_missed(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 2);

        put(flow.client, "x");
        decide(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "x"), NX_VERDICT_ALLOW);
        inspection_remove_inspector(flow.inspection, 0, false);
        decide(assert_shown(scene, 1, NX_DIRECTION_OUTBOUND, "x"), NX_VERDICT_ALLOW);
        wait_for(scene, &scene->n_done);
        assert_gets(scene, flow.server, "x");
        close_flow(&flow);
}

static void test_a_question_that_could_not_be_sent_is_asked_again(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);

        scene->is_busy = true;
        put(flow.client, "patience");
        assert_gets_nothing(scene, flow.server);
        scene->is_busy = false;
        shutdown(flow.client, SHUT_WR);
        settle(scene);
        assert_int_equal(scene->n_asked, 0);
        inspection_retry(flow.inspection, 0);
        scene->is_busy = true;
        pass(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "patience"), 8);
        assert_gets(scene, flow.server, "patience");
        assert_gets_nothing(scene, flow.server);
        scene->is_busy = false;
        inspection_retry(flow.inspection, 0);
        pass(assert_asked(scene, 0, NX_DIRECTION_OUTBOUND, true), 0);
        assert_gets_end(scene, flow.server);
        close_flow(&flow);
}

static void test_nonsense_is_told(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 2);
        struct inspection_verdict verdict = { .verdict = NX_VERDICT_PAUSE };

        assert_int_equal(inspection_verdict(flow.inspection, 2, NX_DIRECTION_INBOUND, &verdict),
                         -EBADMSG);
        assert_int_equal(inspection_verdict(flow.inspection, 0, NX_DIRECTION_ANY, &verdict),
                         -EBADMSG);
        verdict.verdict = NX_VERDICT_REFUSE;
        assert_int_equal(inspection_verdict(flow.inspection, 0, NX_DIRECTION_INBOUND, &verdict),
                         -EBADMSG);
        close_flow(&flow);
}

static void test_who_was_too_late_has_no_say(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 2);
        const struct inspection_verdict drop = { .verdict = NX_VERDICT_DROP };

        inspection_remove_inspector(flow.inspection, 1, true);
        assert_int_equal(inspection_verdict(flow.inspection, 1, NX_DIRECTION_OUTBOUND, &drop), 0);
        put(flow.client, "passes");
        pass(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "passes"), 6);
        assert_gets(scene, flow.server, "passes");
        close_flow(&flow);
}

static void test_nothing_to_inspect(void **state)
{
        struct scene *scene = *state;
        const struct inspection_peek none = { NX_DATA_BYTES_MAX, NX_DATA_BYTES_MAX };
        struct flow flow;

        assert_int_equal(try_open(scene, &none, 1, &flow), -EINVAL);
        assert_gets_reset(scene, flow.client); /* what could not begin has not ended well */
        close_flow(&flow);
}

static void test_who_holds_for_ever_ends_the_flow(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);
        static const char zeros[2 * WIRE_DATA_MAX];
        const struct question *question;

        assert_int_equal(send(flow.client, zeros, sizeof(zeros), 0), sizeof(zeros));
        while ((question = next_question(scene))->size < WIRE_DATA_MAX)
                pass(question, 0);
        pass(question, 0);
        assert_ended(scene, -EDEADLK);
        close_flow(&flow);
}

static void test_a_pause_stops_the_sender(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);
        static const char zeros[64 * KIB];
        const struct question *question;
        size_t n = 0, n_got = 0;

        put(flow.client, "x");
        question = next_question(scene);
        decide(question, NX_VERDICT_PAUSE);
        for (int i = 0; i < 100; i++) {
                ssize_t more = send(flow.client, zeros, sizeof(zeros), MSG_DONTWAIT);

                n += more > 0 ? (size_t)more : 0;
                assert_int_equal(loop_dispatch(&scene->loop, 1), 0);
        }
        assert_true(n > WINDOW_MAX && n < SOCKET_BUFFERS);
        assert_int_equal(n_bytes_held(scene), WINDOW_MAX);

        say(question, (struct inspection_verdict){ .verdict = NX_VERDICT_FILTER_DATA,
                                                   .is_update = true,
                                                   .pass_bytes = NX_DATA_BYTES_MAX });
        while (n_got < n + 1) {
                static char bytes[64 * KIB];
                ssize_t more = get(scene, flow.server, bytes, sizeof(bytes));

                assert_true(more > 0);
                n_got += (size_t)more;
        }
        settle(scene);
        assert_int_equal(n_bytes_held(scene), 0);
        close_flow(&flow);
}

static void test_memory_has_a_bound(void **state)
{
        struct scene *scene = *state;
        struct flow first, second;
        const struct question *question;

        open_pool(scene, 64 * KIB);
        first = open_flow(scene, 1);
        second = open_flow(scene, 1);
        put(first.client, "one");
        question = assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "one");
        put(second.client, "two");
        settle(scene);
        assert_int_equal(scene->n_asked, 1);
        assert_int_equal(n_bytes_held(scene), 64 * KIB);
        pass(question, 3);
        pass(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "two"), 3);
        assert_gets(scene, second.server, "two");
        settle(scene);
        assert_int_equal(n_bytes_held(scene), 0);
        close_flow(&first);
        close_flow(&second);
}

/* One that holds a byte for ever does not keep the others out. */
static void test_who_holds_long_gives_way(void **state)
{
        struct scene *scene = *state;
        struct flow first, second;

        open_pool(scene, 64 * KIB);
        first = open_flow(scene, 1);
        second = open_flow(scene, 1);
        put(first.client, "one");
        decide(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "one"), NX_VERDICT_PAUSE);
        put(second.client, "two");
        pass(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "two"), 3);
        assert_gets(scene, second.server, "two");
        assert_int_equal(scene->n_ended, 1);
        assert_int_equal(scene->error, -ENOBUFS);
        assert_gets_reset(scene, first.client);
        close_flow(&first);
        close_flow(&second);
}

/* --- given back ----------------------------------------------------------------------- */

static void relay(struct scene *scene)
{
        wait_for(scene, &scene->n_done);
        assert_int_equal(relay_pool_new(&scene->relays, &scene->loop, handle_relayed, scene), 0);
        assert_int_equal(relay_pool_add(scene->relays, 1, take_fd(&scene->app_fd),
                                        take_fd(&scene->upstream_fd)),
                         0);
}

static void test_an_allowed_flow_is_given_back(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 2);

        put(flow.client, "hello");
        decide(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "hello"), NX_VERDICT_ALLOW);
        decide(assert_shown(scene, 1, NX_DIRECTION_OUTBOUND, "hello"), NX_VERDICT_ALLOW);
        put(flow.client, "more");
        relay(scene);
        assert_int_equal(scene->bytes_outbound, 5);
        assert_gets(scene, flow.server, "hellomore");
        put(flow.server, "answer");
        assert_gets(scene, flow.client, "answer");
        close_flow(&flow);
        wait_for(scene, &scene->n_relayed);
}

static void test_a_half_closed_flow_is_given_back(void **state)
{
        struct scene *scene = *state;
        struct flow flow = open_flow(scene, 1);

        put(flow.client, "request");
        shutdown(flow.client, SHUT_WR);
        pass(assert_shown(scene, 0, NX_DIRECTION_OUTBOUND, "request"), 7);
        pass(assert_asked(scene, 0, NX_DIRECTION_OUTBOUND, true), 0);
        put(flow.server, "head");
        decide(assert_shown(scene, 0, NX_DIRECTION_INBOUND, "head"), NX_VERDICT_ALLOW);
        relay(scene);
        assert_gets(scene, flow.server, "request");
        assert_gets_end(scene, flow.server);
        put(flow.server, "body");
        assert_gets(scene, flow.client, "headbody");
        assert_int_equal(scene->n_relayed, 0);
        shutdown(flow.server, SHUT_WR);
        assert_gets_end(scene, flow.client);
        wait_for(scene, &scene->n_relayed);
        assert_int_equal(scene->error, 0);
        close_flow(&flow);
}

/* --- much ----------------------------------------------------------------------------- */

#define MUCH        (4 * MIB)
#define N_FLOWS_MAX 12
#define PERIOD      65521 /* a prime, so that no piece of a buffer's size can be lost unseen */

static unsigned char pattern[PERIOD + 64 * KIB];

static void make_pattern(void)
{
        for (size_t i = 0; i < sizeof(pattern); i++)
                pattern[i] = (unsigned char)((i % PERIOD) * 0x9e3779b97f4a7c15u >> 56);
}

struct transfer {
        int from, to;
        size_t size, n_sent, n_got;
};

static void send_some(struct transfer *transfer)
{
        size_t size = 1 + transfer->n_sent * 7919 % (60 * KIB);
        ssize_t n;

        if (transfer->n_sent == transfer->size)
                return;
        if (size > transfer->size - transfer->n_sent)
                size = transfer->size - transfer->n_sent;
        n = send(transfer->from, pattern + transfer->n_sent % PERIOD, size, MSG_DONTWAIT);
        transfer->n_sent += n > 0 ? (size_t)n : 0;
        if (transfer->n_sent == transfer->size)
                shutdown(transfer->from, SHUT_WR);
}

static void get_some(struct transfer *transfer)
{
        static unsigned char bytes[64 * KIB];
        ssize_t n = recv(transfer->to, bytes, sizeof(bytes), MSG_DONTWAIT);

        if (n <= 0)
                return;
        assert_memory_equal(bytes, pattern + transfer->n_got % PERIOD, (size_t)n);
        transfer->n_got += (size_t)n;
}

/* Each lets pass as it likes: all, a part, or what is still to come. */
static void answer_somehow(struct scene *scene, const struct question *question)
{
        static const unsigned int shares[] = { 100, 100, 70, 100, 130, 3, 100, 99 };
        unsigned int turn = scene->n_answered % ARRAY_SIZE(shares);

        if (!question->is_complete)
                assert_memory_equal(question->bytes, pattern + question->offset % PERIOD,
                                    question->size);
        say(question, (struct inspection_verdict){
                              .verdict = NX_VERDICT_FILTER_DATA,
                              .pass_bytes = question->size * shares[turn] / 100 + 1,
                              .peek_bytes = turn * 9 * KIB,
                      });
}

static void carry_much(struct scene *scene, unsigned int n_inspectors, unsigned int n_flows,
                       size_t size)
{
        struct flow flows[N_FLOWS_MAX];
        struct transfer transfers[2 * N_FLOWS_MAX];

        for (unsigned int i = 0; i < n_flows; i++) {
                int client, server;

                flows[i] = open_flow(scene, n_inspectors);
                client = flows[i].client;
                server = flows[i].server;
                transfers[2 * i] = (struct transfer){ client, server, .size = size };
                transfers[2 * i + 1] = (struct transfer){ server, client, .size = size };
        }
        while (scene->n_ended < n_flows) {
                for (unsigned int i = 0; i < 2 * n_flows; i++)
                        send_some(&transfers[i]);
                assert_int_equal(loop_dispatch(&scene->loop, 0), 0);
                while (scene->n_answered < scene->n_asked)
                        answer_somehow(scene, next_question(scene));
                for (unsigned int i = 0; i < 2 * n_flows; i++)
                        get_some(&transfers[i]);
                assert_true(n_bytes_held(scene) <= scene->bytes_max);
        }
        assert_int_equal(scene->error, 0);
        assert_int_equal(scene->bytes_outbound, size);
        assert_int_equal(scene->bytes_inbound, size);
        for (unsigned int i = 0; i < 2 * n_flows; i++)
                while (transfers[i].n_got < size)
                        get_some(&transfers[i]);
        for (unsigned int i = 0; i < n_flows; i++)
                close_flow(&flows[i]);
}

static void test_much_goes_through_as_many_as_there_may_be(void **state)
{
        carry_much(*state, INSPECTION_INSPECTORS_MAX, 1, MUCH);
}

static void test_much_goes_through_little_memory(void **state)
{
        struct scene *scene = *state;

        open_pool(scene, 200 * KIB);
        carry_much(scene, 2, N_FLOWS_MAX, MUCH / 8);
}

#define inspection_test(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
        static const struct CMUnitTest tests[] = {
                inspection_test(test_bytes_go_on_when_all_let_them),
                inspection_test(test_a_direction_can_pass_unseen),
                inspection_test(test_bytes_can_pass_unseen_before_those_that_are_shown_first),
                inspection_test(test_an_end_goes_on_when_it_was_answered),
                inspection_test(test_both_ends_end_the_flow),
                inspection_test(test_drop_resets_both),
                inspection_test(test_a_reset_goes_on_behind_what_was_said_before),
                inspection_test(test_a_reset_without_a_word_ends_at_once),
                inspection_test(test_both_sides_reset_in_one_round),
                inspection_test(test_cut),
                inspection_test(test_cut_while_bytes_are_shown),
                inspection_test(test_a_provider_that_is_gone),
                inspection_test(test_who_has_seen_enough_is_not_missed),
                inspection_test(test_a_question_that_could_not_be_sent_is_asked_again),
                inspection_test(test_nonsense_is_told),
                inspection_test(test_who_was_too_late_has_no_say),
                inspection_test(test_nothing_to_inspect),
                inspection_test(test_who_holds_for_ever_ends_the_flow),
                inspection_test(test_a_pause_stops_the_sender),
                inspection_test(test_memory_has_a_bound),
                inspection_test(test_who_holds_long_gives_way),
                inspection_test(test_an_allowed_flow_is_given_back),
                inspection_test(test_a_half_closed_flow_is_given_back),
                inspection_test(test_much_goes_through_as_many_as_there_may_be),
                inspection_test(test_much_goes_through_little_memory),
        };

        signal(SIGPIPE, SIG_IGN);
        make_pattern();
        return cmocka_run_group_tests_name("inspection", tests, NULL, NULL);
}
