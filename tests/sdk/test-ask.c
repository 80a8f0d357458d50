/* SPDX-License-Identifier: Apache-2.0 */

/* Questions to people, from the extension's side: what netextd hears, and what flowd is answered.
 */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include <netext/ask.h>

#include "base/loop.h"
#include "daemon.h"

static struct nx_ask ask;
static int ask_result;

static void look(struct nx_flow *flow)
{
        ask_result = nx_flow_ask(flow, &ask);
}

static int setup(void **state)
{
        struct daemon *daemon;
        int r = daemon_setup(state);

        daemon = *state;
        ask = (struct nx_ask){ NX_ASK_INIT };
        ask_result = 1;
        daemon_start_afresh(daemon);
        (void)daemon_receive_all(daemon, &daemon->control); /* its hello */
        daemon->look = look;
        daemon->verdict = NX_VERDICT_PAUSE;
        return r;
}

/* The only message that the extension has sent there. */
static const struct mail *only(struct daemon *daemon, struct channel *channel,
                               enum wire_message_type type)
{
        assert_int_equal(daemon_receive_all(daemon, channel), 1);
        assert_int_equal(daemon->inbox[0].type, type);
        return &daemon->inbox[0];
}

/* Has a flow asked about; the number of the question. */
static uint64_t put_question(struct daemon *daemon, uint64_t flow)
{
        assert_int_equal(daemon_ask(daemon, flow), 0);
        assert_int_equal(daemon->n_mails, 1);
        expect_verdict(&daemon->inbox[0], flow, NX_VERDICT_PAUSE);
        return only(daemon, &daemon->control, NX_MSG_MANAGER_QUESTION)->numbers[WIRE_ATTR_QUESTION];
}

static void send_answer(struct daemon *daemon, uint64_t question, int result,
                        enum nx_verdict verdict, enum wire_reason reason)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->control, NX_MSG_EXTENSION_ANSWER, 0);
        wire_put(writer, WIRE_ATTR_QUESTION, question);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        wire_put(writer, WIRE_ATTR_VERDICT, (uint64_t)verdict);
        wire_put(writer, WIRE_ATTR_REASON, reason);
        assert_int_equal(channel_end(&daemon->control), 0);
        assert_int_equal(channel_flush(&daemon->control), 0);
        assert_int_equal(daemon_let_work(daemon), 0);
}

static void expect_reason(const struct mail *mail, enum wire_reason reason, const char *rule)
{
        assert_int_equal(mail->numbers[WIRE_ATTR_REASON], reason);
        assert_string_equal(mail->rule, rule);
}

static void test_a_question_tells_who_and_where(void **state)
{
        struct daemon *daemon = *state;
        const struct mail *question;

        ask.label = "mine:3";
        ask.timeout_ms = 5000;
        assert_int_equal(daemon_ask(daemon, 9), 0);
        question = only(daemon, &daemon->control, NX_MSG_MANAGER_QUESTION);
        assert_string_equal(question->program, "/usr/bin/curl");
        assert_string_equal(question->rule, "mine:3");
        assert_string_equal(question->session, daemon->session);
        assert_int_equal(question->numbers[WIRE_ATTR_TIMEOUT_MS], 5000);
        assert_int_equal(question->numbers[WIRE_ATTR_FLOW], 9);
        assert_int_equal(question->numbers[WIRE_ATTR_PID], 4321);
        assert_int_equal(question->numbers[WIRE_ATTR_UID], 1000);
        assert_int_equal(question->numbers[WIRE_ATTR_REMOTE_PORT], daemon->remote_port);
}

static void test_a_carried_flow_is_its_origins(void **state)
{
        struct daemon *daemon = *state;
        const struct mail *question;

        daemon->has_origin = true;
        assert_int_equal(daemon_ask(daemon, 9), 0);
        question = only(daemon, &daemon->control, NX_MSG_MANAGER_QUESTION);
        assert_string_equal(question->program, "/usr/bin/wget");
        assert_int_equal(question->numbers[WIRE_ATTR_UID], 1001);
        assert_int_equal(question->numbers[WIRE_ATTR_PID], 99);
}

static void test_the_answer_is_the_verdict_of_all_its_flows(void **state)
{
        struct daemon *daemon = *state;
        uint64_t question = put_question(daemon, 9);

        ask.label = NULL;
        for (uint64_t flow = 10; flow < 12; flow++) {
                assert_int_equal(daemon_ask(daemon, flow), 0);
                assert_int_equal(daemon_receive_all(daemon, &daemon->control), 0);
        }
        send_answer(daemon, question, 0, NX_VERDICT_REFUSE, WIRE_REASON_ANSWERED);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 3);
        for (uint64_t i = 0; i < 3; i++) {
                expect_verdict(&daemon->inbox[i], 9 + i, NX_VERDICT_REFUSE);
                expect_reason(&daemon->inbox[i], WIRE_REASON_ANSWERED, "");
        }
        assert_int_equal(daemon_receive_all(daemon, &daemon->control), 0);
        send_answer(daemon, question, 0, NX_VERDICT_ALLOW, WIRE_REASON_ANSWERED); /* too late */
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 0);
}

static void test_without_an_answer_the_policy_decides(void **state)
{
        static const struct {
                int result;
                enum wire_reason reason;
        } cases[] = {
                { -ENOTCONN, WIRE_REASON_NOBODY_ATTACHED },
                { -ENOSPC, WIRE_REASON_QUESTION_QUOTA },
        };
        struct daemon *daemon = *state;

        ask.label = "mine:3";
        for (uint64_t i = 0; i < 2; i++) {
                send_answer(daemon, put_question(daemon, 9 + i), cases[i].result, NX_VERDICT_NONE,
                            WIRE_REASON_NONE);
                expect_verdict(only(daemon, &daemon->engine, NX_MSG_ENGINE_VERDICT), 9 + i,
                               NX_VERDICT_NONE);
                expect_reason(&daemon->inbox[0], cases[i].reason, "mine:3");
        }
}

static void test_time_runs_out(void **state)
{
        struct daemon *daemon = *state;
        uint64_t end = now_ns() + 5000000000ULL, question;

        ask.timeout_ms = 20;
        question = put_question(daemon, 9);
        while (daemon_receive_all(daemon, &daemon->engine) == 0) {
                assert_true(now_ns() < end);
                nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
                assert_int_equal(daemon_let_work(daemon), 0);
        }
        expect_verdict(&daemon->inbox[0], 9, NX_VERDICT_NONE);
        expect_reason(&daemon->inbox[0], WIRE_REASON_UNANSWERED, "");
        assert_int_equal(only(daemon, &daemon->control, NX_MSG_MANAGER_QUESTION_OVER)
                                 ->numbers[WIRE_ATTR_QUESTION],
                         question);
        assert_int_equal((int32_t)daemon->inbox[0].numbers[WIRE_ATTR_RESULT], -ETIMEDOUT);
}

static void test_the_extension_can_answer_before(void **state)
{
        struct daemon *daemon = *state;

        daemon->keeps = true;
        put_question(daemon, 9);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_ALLOW), 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        expect_verdict(only(daemon, &daemon->engine, NX_MSG_ENGINE_VERDICT), 9, NX_VERDICT_ALLOW);
        assert_int_equal(daemon->inbox[0].present & WIRE_HAS(REASON), 0);
        only(daemon, &daemon->control, NX_MSG_MANAGER_QUESTION_OVER);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_ALLOW), -EALREADY);
}

static void test_a_stop_withdraws_its_questions(void **state)
{
        struct daemon *daemon = *state;

        put_question(daemon, 9);
        daemon_send_stop(daemon);
        (void)daemon_let_work(daemon);
        only(daemon, &daemon->control, NX_MSG_MANAGER_QUESTION_OVER);
        assert_int_equal((int32_t)daemon->inbox[0].numbers[WIRE_ATTR_RESULT], -ESTALE);
}

static void test_a_flow_that_is_over_need_not_be_asked_about(void **state)
{
        struct daemon *daemon = *state;

        put_question(daemon, 9);
        daemon_send_closed(daemon, 9, -ESTALE);
        assert_int_equal(daemon_let_work(daemon), 0);
        only(daemon, &daemon->control, NX_MSG_MANAGER_QUESTION_OVER);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 0);
}

static void test_datagrams_do_not_wait_for_long(void **state)
{
        struct daemon *daemon = *state;

        daemon->protocol = IPPROTO_UDP;
        assert_int_equal(daemon_ask(daemon, 9), 0);
        assert_int_equal(only(daemon, &daemon->control, NX_MSG_MANAGER_QUESTION)
                                 ->numbers[WIRE_ATTR_TIMEOUT_MS],
                         NX_ASK_DATAGRAM_MS);
}

static void test_without_netextd_nobody_is_attached(void **state)
{
        struct daemon *daemon = *state;

        put_question(daemon, 9);
        channel_deinit(&daemon->control);
        assert_int_equal(daemon_let_work(daemon), 0);
        expect_verdict(only(daemon, &daemon->engine, NX_MSG_ENGINE_VERDICT), 9, NX_VERDICT_NONE);
        expect_reason(&daemon->inbox[0], WIRE_REASON_NOBODY_ATTACHED, "");
        assert_int_equal(daemon_ask(daemon, 10), 0);
        assert_int_equal(daemon->n_mails, 2);
        expect_verdict(&daemon->inbox[1], 10, NX_VERDICT_NONE);
        expect_reason(&daemon->inbox[1], WIRE_REASON_NOBODY_ATTACHED, "");
}

static void put_answers(struct daemon *daemon, uint32_t uid, enum nx_verdict verdict)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->control, NX_MSG_EXTENSION_ANSWERS_BEGIN, 0);
        wire_put_string(writer, WIRE_ATTR_SESSION_NAME, daemon->session);
        assert_int_equal(channel_end(&daemon->control), 0);
        writer = channel_begin(&daemon->control, NX_MSG_EXTENSION_ANSWERS_ENTRY, 0);
        wire_put(writer, WIRE_ATTR_ANSWER, 1);
        wire_put(writer, WIRE_ATTR_VERDICT, (uint64_t)verdict);
        wire_put(writer, WIRE_ATTR_PROTOCOL, daemon->protocol);
        wire_put(writer, WIRE_ATTR_DIRECTION, NX_DIRECTION_OUTBOUND);
        wire_put(writer, WIRE_ATTR_UID, uid);
        assert_int_equal(channel_end(&daemon->control), 0);
        writer = channel_begin(&daemon->control, NX_MSG_EXTENSION_ANSWERS_COMMIT, 0);
        wire_put_string(writer, WIRE_ATTR_SESSION_NAME, daemon->session);
        assert_int_equal(channel_end(&daemon->control), 0);
        assert_int_equal(channel_flush(&daemon->control), 0);
        assert_int_equal(daemon_let_work(daemon), 0);
}

static void test_what_is_kept_need_not_be_asked(void **state)
{
        struct daemon *daemon = *state;

        put_answers(daemon, 1000, NX_VERDICT_ALLOW);
        assert_int_equal(daemon_ask(daemon, 9), 0);
        assert_int_equal(daemon->n_mails, 2); /* the pause, and the answer */
        expect_verdict(&daemon->inbox[1], 9, NX_VERDICT_ALLOW);
        expect_reason(&daemon->inbox[1], WIRE_REASON_KEPT_ANSWER, "");
        assert_int_equal(daemon_receive_all(daemon, &daemon->control), 0);
        put_answers(daemon, 1001, NX_VERDICT_ALLOW); /* replaces all that were there */
        put_question(daemon, 10);
}

static void test_what_cannot_be_asked(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow;

        ask.label = "0123456789012345678901234567890123456789012345678901234567890123";
        daemon->verdict = NX_VERDICT_ALLOW;
        assert_int_equal(daemon_ask(daemon, 9), 0);
        assert_int_equal(ask_result, -EINVAL);
        ask = (struct nx_ask){ NX_ASK_INIT, .timeout_ms = 600001 };
        assert_int_equal(daemon_ask(daemon, 10), 0);
        assert_int_equal(ask_result, -EINVAL);
        ask = (struct nx_ask){ NX_ASK_INIT };
        daemon->keeps = true;
        assert_int_equal(daemon_ask(daemon, 11), 0);
        assert_int_equal(ask_result, 0);
        flow = daemon->kept;
        assert_int_equal(nx_flow_ask(flow, &ask), -EINVAL); /* it is decided */
        assert_int_equal(daemon_receive_all(daemon, &daemon->control), 0);
}

int main(void)
{
#define ask_test(fn) cmocka_unit_test_setup_teardown(fn, setup, daemon_teardown)
        const struct CMUnitTest tests[] = {
                ask_test(test_a_question_tells_who_and_where),
                ask_test(test_a_carried_flow_is_its_origins),
                ask_test(test_the_answer_is_the_verdict_of_all_its_flows),
                ask_test(test_without_an_answer_the_policy_decides),
                ask_test(test_time_runs_out),
                ask_test(test_the_extension_can_answer_before),
                ask_test(test_a_stop_withdraws_its_questions),
                ask_test(test_a_flow_that_is_over_need_not_be_asked_about),
                ask_test(test_datagrams_do_not_wait_for_long),
                ask_test(test_without_netextd_nobody_is_attached),
                ask_test(test_what_is_kept_need_not_be_asked),
                ask_test(test_what_cannot_be_asked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
