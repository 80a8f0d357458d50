/* SPDX-License-Identifier: Apache-2.0 */

/* A proxy that wants to see what a program says first: what it asks for, gets, and makes of it. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon.h"

/* What the extension asks for when it looks at a flow, and what came of that. */
static size_t wanted_bytes;
static uint32_t wanted_ms;
static int peek_result;

static void want(struct nx_flow *flow)
{
        peek_result = nx_flow_peek(flow, wanted_bytes, wanted_ms);
}

static void expect_peek(const struct mail *mail, uint64_t flow, size_t n_bytes, uint32_t timeout_ms)
{
        expect_verdict(mail, flow, NX_VERDICT_PEEK);
        assert_int_equal(mail->numbers[WIRE_ATTR_PEEK_BYTES], n_bytes);
        assert_int_equal(mail->numbers[WIRE_ATTR_VERDICT_TIMEOUT_MS], timeout_ms);
}

static int show(struct daemon *daemon, uint64_t flow, const char *text)
{
        daemon_send_peeked(daemon, flow, text, strlen(text));
        return daemon_let_answer(daemon);
}

/* Has flow 1 peeked at, from the first verdict on. */
static void start_and_peek(struct daemon *daemon)
{
        daemon_start_afresh(daemon);
        wanted_bytes = 5;
        wanted_ms = 500;
        daemon->look = want;
        daemon->verdict = NX_VERDICT_PEEK;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        assert_int_equal(daemon->n_mails, 1);
        expect_peek(&daemon->inbox[0], 1, 5, 500);
        daemon->look = NULL;
}

static void test_first_bytes_come_to_who_asked(void **state)
{
        struct daemon *daemon = *state;

        start_and_peek(daemon);
        assert_int_equal(peek_result, 0);
        assert_string_equal(daemon->log, "n");
        daemon->verdict = NX_VERDICT_DECLINE;
        assert_int_equal(show(daemon, 1, "GET /"), 0);
        assert_string_equal(daemon->log, "np");
        assert_int_equal(daemon->shown_size, 5);
        assert_memory_equal(daemon->shown, "GET /", 5);
        assert_int_equal(daemon->n_mails, 1);
        expect_verdict(&daemon->inbox[0], 1, NX_VERDICT_DECLINE);
}

static void test_each_verdict_may_follow(void **state)
{
        static const enum nx_verdict verdicts[] = { NX_VERDICT_CLAIM, NX_VERDICT_DECLINE,
                                                    NX_VERDICT_DROP, NX_VERDICT_REFUSE };
        struct daemon *daemon = *state;

        for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
                start_and_peek(daemon);
                daemon->verdict = verdicts[i];
                assert_int_equal(show(daemon, 1, "GET /"), 0);
                assert_int_equal(daemon->n_mails, 1);
                expect_verdict(&daemon->inbox[0], 1, verdicts[i]);
        }
}

static void test_a_program_that_says_nothing_is_shown_too(void **state)
{
        struct daemon *daemon = *state;

        start_and_peek(daemon);
        daemon->verdict = NX_VERDICT_DECLINE;
        daemon->shown_size = 99;
        assert_int_equal(show(daemon, 1, ""), 0);
        assert_string_equal(daemon->log, "np");
        assert_int_equal(daemon->shown_size, 0);
}

static void test_a_second_peek_asks_anew(void **state)
{
        struct daemon *daemon = *state;

        start_and_peek(daemon);
        wanted_bytes = 7;
        wanted_ms = 0;
        daemon->look = want;
        assert_int_equal(show(daemon, 1, "GET /"), 0);
        assert_int_equal(daemon->n_mails, 1);
        assert_true(daemon->inbox[0].present & WIRE_HAS(VERDICT_TIMEOUT_MS));
        expect_peek(&daemon->inbox[0], 1, 7, 0);

        daemon->verdict = NX_VERDICT_REFUSE;
        assert_int_equal(show(daemon, 1, "GET /ab"), 0);
        assert_string_equal(daemon->log, "npp");
        assert_memory_equal(daemon->shown, "GET /ab", 7);
        expect_verdict(&daemon->inbox[0], 1, NX_VERDICT_REFUSE);
}

static void test_as_much_as_can_be_asked_for_arrives(void **state)
{
        struct daemon *daemon = *state;
        uint8_t bytes[NX_PEEK_BYTES_MAX];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(i * 31 + i / 256);
        daemon_start_afresh(daemon);
        wanted_bytes = sizeof(bytes);
        daemon->look = want;
        daemon->verdict = NX_VERDICT_PEEK;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        daemon->verdict = NX_VERDICT_DECLINE;
        daemon_send_peeked(daemon, 1, bytes, sizeof(bytes));
        assert_int_equal(daemon_let_answer(daemon), 0);
        assert_int_equal(daemon->shown_size, sizeof(bytes));
        assert_memory_equal(daemon->shown, bytes, sizeof(bytes));
}

static void test_what_cannot_be_asked_for_is_refused(void **state)
{
        struct daemon *daemon = *state;
        static const struct {
                size_t n_bytes;
                int result;
        } wishes[] = { { 0, -EINVAL },
                       { 1, 0 },
                       { NX_PEEK_BYTES_MAX, 0 },
                       { NX_PEEK_BYTES_MAX + 1, -EINVAL },
                       { SIZE_MAX, -EINVAL } };

        daemon_start_afresh(daemon);
        daemon->look = want;
        daemon->verdict = NX_VERDICT_DECLINE;
        for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
                wanted_bytes = wishes[i].n_bytes;
                assert_int_equal(daemon_ask(daemon, i + 1), 0);
                assert_int_equal(peek_result, wishes[i].result);
                expect_verdict(&daemon->inbox[0], i + 1, NX_VERDICT_DECLINE);
        }
        daemon->protocol = IPPROTO_UDP;
        wanted_bytes = 5;
        assert_int_equal(daemon_ask(daemon, 9), 0);
        assert_int_equal(peek_result, -EINVAL);
}

static void test_only_who_has_yet_to_answer_can_ask(void **state)
{
        static const enum nx_verdict verdicts[] = { NX_VERDICT_CLAIM, NX_VERDICT_DECLINE,
                                                    NX_VERDICT_PEEK };
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        wanted_bytes = 5;
        daemon->look = want;
        daemon->keeps = true;
        for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
                daemon->verdict = verdicts[i];
                assert_int_equal(daemon_ask(daemon, i + 1), 0);
                assert_int_equal(nx_flow_peek(daemon->kept, 5, 0), -EINVAL);
                daemon->kept = nx_flow_unref(daemon->kept);
        }
}

static void test_a_filter_cannot_peek(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        wanted_bytes = 5;
        daemon->look = want;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        assert_int_equal(peek_result, -EINVAL);
        assert_int_equal(show(daemon, 1, "GET /"), -EPROTO); /* and is not shown anything */
        assert_non_null(strstr(nx_provider_get_error(daemon->provider), "PROVIDER_FLOW_PEEKED"));
}

static void test_a_peek_that_was_not_asked_for_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_PEEK;
        assert_int_equal(daemon_ask(daemon, 1), -EPROTO);
        assert_int_equal(daemon->n_mails, 0);
        expect_error(daemon,
                     "handle_new_flow answered flow 1 with PEEK, but nx_flow_peek() was not "
                     "called to say at how many bytes");
}

static void test_each_peek_is_asked_for(void **state)
{
        struct daemon *daemon = *state;

        start_and_peek(daemon);
        assert_int_equal(show(daemon, 1, "GET /"), -EPROTO);
        expect_error(daemon, "handle_peek answered flow 1 with PEEK, but nx_flow_peek() was not "
                             "called to say at how many bytes");
}

static void test_a_peek_of_datagrams_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->protocol = IPPROTO_UDP;
        daemon->verdict = NX_VERDICT_PEEK;
        assert_int_equal(daemon_ask(daemon, 1), -EPROTO);
        expect_error(daemon,
                     "handle_new_flow answered flow 1 with PEEK, but only TCP flows can be peeked "
                     "at");
}

static void test_a_verdict_that_is_none_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        start_and_peek(daemon);
        daemon->verdict = NX_VERDICT_ALLOW;
        assert_int_equal(show(daemon, 1, "GET /"), -EPROTO);
        expect_error(daemon, "handle_peek returned 1; a verdict is CLAIM, DECLINE, DROP, REFUSE, "
                             "PEEK or PAUSE");
        assert_string_equal(daemon->log, "npt");
}

static void test_a_paused_flow_can_be_peeked_at(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_PAUSE;
        daemon->keeps = true;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        daemon->keeps = false;
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_PEEK), -EINVAL);
        assert_int_equal(nx_flow_peek(daemon->kept, 5, 100), 0);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_PEEK), 0);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_PEEK), -EALREADY);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
        expect_peek(&daemon->inbox[0], 1, 5, 100);

        daemon->verdict = NX_VERDICT_DECLINE;
        assert_int_equal(show(daemon, 1, "GET /"), 0);
        expect_verdict(&daemon->inbox[0], 1, NX_VERDICT_DECLINE);
}

/* Flow 1 was shown, and is kept and paused by handle_peek. */
static void pause_in_peek(struct daemon *daemon)
{
        start_and_peek(daemon);
        daemon->verdict = NX_VERDICT_PAUSE;
        daemon->keeps = true;
        assert_int_equal(show(daemon, 1, "GET /"), 0);
        daemon->keeps = false;
        expect_verdict(&daemon->inbox[0], 1, NX_VERDICT_PAUSE);
}

static void test_a_flow_can_be_paused_after_a_look(void **state)
{
        struct daemon *daemon = *state;

        pause_in_peek(daemon);
        assert_int_equal(nx_flow_open(daemon->kept), -EINVAL);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_CLAIM), 0);
        assert_int_equal(nx_flow_open(daemon->kept), 0);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 2);
        expect_verdict(&daemon->inbox[0], 1, NX_VERDICT_CLAIM);
        assert_int_equal(daemon->inbox[1].type, NX_MSG_ENGINE_FLOW_OPEN);
}

static void test_a_flow_that_is_let_go_after_a_look_is_refused(void **state)
{
        struct daemon *daemon = *state;

        pause_in_peek(daemon);
        daemon->kept = nx_flow_unref(daemon->kept);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
        expect_verdict(&daemon->inbox[0], 1, NX_VERDICT_REFUSE);
}

static void test_a_flow_that_ends_while_it_is_paused_is_stale(void **state)
{
        struct daemon *daemon = *state;

        pause_in_peek(daemon);
        daemon_send_closed(daemon, 1, -ECONNRESET);
        assert_int_equal(daemon_let_answer(daemon), 0);
        assert_string_equal(daemon->log, "npc");
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_CLAIM), -ESTALE);
        assert_int_equal(nx_flow_peek(daemon->kept, 5, 0), -ESTALE);
        daemon->kept = nx_flow_unref(daemon->kept);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 0); /* not refused either */
}

static void test_a_flow_that_ends_before_it_is_shown_is_forgotten(void **state)
{
        struct daemon *daemon = *state;

        start_and_peek(daemon);
        daemon_send_closed(daemon, 1, -ECONNRESET);
        assert_int_equal(daemon_let_answer(daemon), 0);
        assert_string_equal(daemon->log, "n");
        assert_int_equal(show(daemon, 1, "GET /"), 0);
        assert_string_equal(daemon->log, "n");
        assert_int_equal(daemon->n_mails, 0);
}

static void test_a_claim_that_crosses_an_end_is_closed(void **state)
{
        struct daemon *daemon = *state;

        start_and_peek(daemon);
        daemon->verdict = NX_VERDICT_CLAIM;
        assert_int_equal(show(daemon, 1, "GET /"), 0);
        daemon_send_closed(daemon, 1, -ECONNRESET);
        assert_int_equal(daemon_let_answer(daemon), 0);
        assert_string_equal(daemon->log, "npc");
        assert_int_equal(daemon->closed_flow, 1);
        assert_int_equal(daemon->end.error, -ECONNRESET);
}

static void test_another_flow_channel_ends_what_is_peeked_at(void **state)
{
        struct daemon *daemon = *state;

        start_and_peek(daemon);
        daemon_start_afresh(daemon);
        assert_int_equal(show(daemon, 1, "GET /"), 0);
        assert_string_equal(daemon->log, "");
}

static void test_a_stop_makes_paused_flows_stale(void **state)
{
        struct daemon *daemon = *state;

        pause_in_peek(daemon);
        daemon_send_stop(daemon);
        assert_int_equal(daemon_let_answer(daemon), 0);
        assert_int_equal(nx_flow_peek(daemon->kept, 5, 0), -ESTALE);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_CLAIM), -ESTALE);
}

static void let_go(struct daemon *daemon)
{
        daemon->kept = nx_flow_unref(daemon->kept);
}

static void test_a_paused_flow_can_be_let_go_at_the_stop(void **state)
{
        struct daemon *daemon = *state;

        pause_in_peek(daemon);
        daemon->at_stop = let_go;
        daemon_send_stop(daemon);
        assert_int_equal(daemon_let_answer(daemon), 0);
        assert_null(daemon->kept);
        assert_int_equal(daemon->n_mails, 1); /* it is not answered any more */
        assert_int_equal(daemon->inbox[0].type, NX_MSG_ENGINE_STOPPED);
}

static void test_without_a_function_a_flow_is_declined(void **state)
{
        struct daemon *daemon = *state;

        start_and_peek(daemon);
        assert_int_equal(show(daemon, 1, "GET /"), 0);
        assert_string_equal(daemon->log, "n");
        assert_int_equal(daemon->n_mails, 1);
        expect_verdict(&daemon->inbox[0], 1, NX_VERDICT_DECLINE);
}

static int open_result;

static void open_at_once(struct nx_flow *flow)
{
        open_result = nx_flow_open(flow);
}

static void test_an_open_before_the_verdict_goes_behind_it(void **state)
{
        struct daemon *daemon = *state;

        start_and_peek(daemon);
        daemon->look = open_at_once;
        daemon->verdict = NX_VERDICT_CLAIM;
        assert_int_equal(show(daemon, 1, "GET /"), 0);
        assert_int_equal(open_result, 0);
        assert_int_equal(daemon->n_mails, 2);
        expect_verdict(&daemon->inbox[0], 1, NX_VERDICT_CLAIM);
        assert_int_equal(daemon->inbox[1].type, NX_MSG_ENGINE_FLOW_OPEN);
        assert_int_equal(daemon->inbox[1].numbers[WIRE_ATTR_FLOW], 1);
}

static int splice_fd;

static void splice_at_once(struct nx_flow *flow)
{
        assert_int_equal(nx_flow_splice(flow, splice_fd), 0);
}

static void test_a_splice_without_a_claim_is_a_fault(void **state)
{
        struct daemon *daemon = *state;
        int fds[2];
        char byte;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        start_and_peek(daemon);
        splice_fd = fds[0];
        daemon->look = splice_at_once;
        daemon->verdict = NX_VERDICT_DECLINE;
        assert_int_equal(show(daemon, 1, "GET /"), -EPROTO);
        expect_error(daemon, "handle_peek opened, failed or spliced flow 1 and then did not return "
                             "CLAIM");
        assert_int_equal(read(fds[1], &byte, 1), 0); /* closed with it */
        close(fds[1]);
}

static void test_a_flow_that_waits_for_bytes_cannot_be_opened(void **state)
{
        struct daemon *daemon = *state;

        daemon->keeps = true;
        start_and_peek(daemon);
        daemon->keeps = false;
        assert_int_equal(nx_flow_open(daemon->kept), -EINVAL);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_CLAIM), -EALREADY);
}

static void test_more_bytes_than_were_asked_for_are_a_fault(void **state)
{
        struct daemon *daemon = *state;

        start_and_peek(daemon);
        assert_int_equal(show(daemon, 1, "GET /a"), -EPROTO);
        assert_non_null(strstr(nx_provider_get_error(daemon->provider), "PROVIDER_FLOW_PEEKED"));
        assert_string_equal(daemon->log, "nt");
}

static void expect_no_bytes_after(struct daemon *daemon, enum nx_verdict verdict)
{
        daemon_start_afresh(daemon);
        daemon->verdict = verdict;
        daemon->keeps = true;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        assert_int_equal(show(daemon, 1, ""), -EPROTO);
        assert_non_null(strstr(nx_provider_get_error(daemon->provider), "PROVIDER_FLOW_PEEKED"));
}

static void test_bytes_of_a_claimed_flow_are_a_fault(void **state)
{
        expect_no_bytes_after(*state, NX_VERDICT_CLAIM);
}

static void test_bytes_of_a_paused_flow_are_a_fault(void **state)
{
        expect_no_bytes_after(*state, NX_VERDICT_PAUSE);
}

static void test_many_flows_are_told_apart(void **state)
{
        struct daemon *daemon = *state;
        char text[8];

        daemon_start_afresh(daemon);
        wanted_bytes = 5;
        daemon->look = want;
        daemon->verdict = NX_VERDICT_PEEK;
        for (uint64_t flow = 1; flow <= 500; flow++) {
                assert_int_equal(daemon_ask(daemon, flow), 0);
                memset(daemon->log, 0, sizeof(daemon->log));
        }
        daemon->verdict = NX_VERDICT_CLAIM;
        for (uint64_t flow = 500; flow >= 1; flow--) {
                snprintf(text, sizeof(text), "%u", (unsigned int)flow);
                assert_int_equal(show(daemon, flow, text), 0);
                assert_int_equal(daemon->shown_size, strlen(text));
                assert_memory_equal(daemon->shown, text, strlen(text));
                assert_int_equal(daemon->n_mails, 1);
                expect_verdict(&daemon->inbox[0], flow, NX_VERDICT_CLAIM);
                memset(daemon->log, 0, sizeof(daemon->log));
        }
}

#define TEST_AS(kind, name)                                                                        \
        cmocka_unit_test_setup_teardown(name, daemon_setup##kind, daemon_teardown)
#define TEST(name) TEST_AS(_proxy, name)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_first_bytes_come_to_who_asked),
                TEST(test_each_verdict_may_follow),
                TEST(test_a_program_that_says_nothing_is_shown_too),
                TEST(test_a_second_peek_asks_anew),
                TEST(test_as_much_as_can_be_asked_for_arrives),
                TEST(test_what_cannot_be_asked_for_is_refused),
                TEST(test_only_who_has_yet_to_answer_can_ask),
                TEST_AS(, test_a_filter_cannot_peek),
                TEST(test_a_peek_that_was_not_asked_for_is_a_fault),
                TEST(test_each_peek_is_asked_for),
                TEST(test_a_peek_of_datagrams_is_a_fault),
                TEST(test_a_verdict_that_is_none_is_a_fault),
                TEST(test_a_paused_flow_can_be_peeked_at),
                TEST(test_a_flow_can_be_paused_after_a_look),
                TEST(test_a_flow_that_is_let_go_after_a_look_is_refused),
                TEST(test_a_flow_that_ends_while_it_is_paused_is_stale),
                TEST(test_a_flow_that_ends_before_it_is_shown_is_forgotten),
                TEST(test_a_claim_that_crosses_an_end_is_closed),
                TEST(test_another_flow_channel_ends_what_is_peeked_at),
                TEST(test_a_stop_makes_paused_flows_stale),
                TEST(test_a_paused_flow_can_be_let_go_at_the_stop),
                TEST_AS(_bare_proxy, test_without_a_function_a_flow_is_declined),
                TEST(test_an_open_before_the_verdict_goes_behind_it),
                TEST(test_a_splice_without_a_claim_is_a_fault),
                TEST(test_a_flow_that_waits_for_bytes_cannot_be_opened),
                TEST(test_more_bytes_than_were_asked_for_are_a_fault),
                TEST(test_bytes_of_a_claimed_flow_are_a_fault),
                TEST(test_bytes_of_a_paused_flow_are_a_fault),
                TEST(test_many_flows_are_told_apart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
