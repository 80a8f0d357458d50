/* SPDX-License-Identifier: Apache-2.0 */

/* A filter that looks at bytes: what it asks for, is shown, and says about them. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "daemon.h"

#define OUTBOUND NX_DIRECTION_OUTBOUND
#define INBOUND  NX_DIRECTION_INBOUND
#define ALL      NX_DATA_BYTES_MAX

static struct nx_data_verdict release(uint64_t pass_bytes, uint64_t peek_bytes)
{
        return (struct nx_data_verdict){ NX_VERDICT_FILTER_DATA, pass_bytes, peek_bytes };
}

static struct nx_data_verdict say(enum nx_verdict verdict)
{
        return (struct nx_data_verdict){ .verdict = verdict };
}

static void expect_inspected(const struct mail *mail, uint64_t flow, uint64_t peek_outbound,
                             uint64_t peek_inbound)
{
        assert_int_equal(mail->type, NX_MSG_ENGINE_VERDICT);
        assert_int_equal(mail->numbers[WIRE_ATTR_FLOW], flow);
        assert_int_equal(mail->numbers[WIRE_ATTR_VERDICT], NX_VERDICT_FILTER_DATA);
        assert_true(mail->present & WIRE_HAS(PEEK_BYTES) && mail->present & WIRE_HAS(PEEK_INBOUND));
        assert_int_equal(mail->numbers[WIRE_ATTR_PEEK_BYTES], peek_outbound);
        assert_int_equal(mail->numbers[WIRE_ATTR_PEEK_INBOUND], peek_inbound);
}

/* A message about the bytes of flow 1; the numbers are there where they count. */
static void expect_said(const struct mail *mail, enum nx_direction direction,
                        struct nx_data_verdict verdict)
{
        bool has_numbers = verdict.verdict == NX_VERDICT_FILTER_DATA;

        assert_int_equal(mail->type, NX_MSG_ENGINE_DATA_VERDICT);
        assert_int_equal(mail->numbers[WIRE_ATTR_FLOW], 1);
        assert_int_equal(mail->numbers[WIRE_ATTR_DIRECTION], direction);
        assert_int_equal(mail->numbers[WIRE_ATTR_VERDICT], verdict.verdict);
        assert_int_equal((mail->present & WIRE_HAS(PASS_BYTES)) != 0, has_numbers);
        assert_int_equal((mail->present & WIRE_HAS(PEEK_BYTES)) != 0, has_numbers);
        assert_int_equal(mail->numbers[WIRE_ATTR_PASS_BYTES], verdict.pass_bytes);
        assert_int_equal(mail->numbers[WIRE_ATTR_PEEK_BYTES], verdict.peek_bytes);
}

static void expect_answer(const struct mail *mail, enum nx_direction direction, uint64_t offset,
                          struct nx_data_verdict verdict)
{
        expect_said(mail, direction, verdict);
        assert_true(mail->present & WIRE_HAS(OFFSET));
        assert_int_equal(mail->numbers[WIRE_ATTR_OFFSET], offset);
}

static void expect_update(const struct mail *mail, enum nx_direction direction,
                          struct nx_data_verdict verdict)
{
        expect_said(mail, direction, verdict);
        assert_false(mail->present & WIRE_HAS(OFFSET));
}

/* Shows bytes of flow 1. */
static int show(struct daemon *daemon, enum nx_direction direction, uint64_t offset,
                const char *text)
{
        daemon_put_data(daemon, 1, direction, offset, text, strlen(text));
        return daemon_let_answer(daemon);
}

static int complete(struct daemon *daemon, enum nx_direction direction)
{
        daemon_send_complete(daemon, 1, direction);
        return daemon_let_answer(daemon);
}

/* Has flow 1 inspected, and kept. */
static struct nx_flow *start_and_inspect(struct daemon *daemon)
{
        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_FILTER_DATA;
        daemon->keeps = true;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        daemon->keeps = false;
        assert_int_equal(daemon->n_mails, 1);
        memset(daemon->log, 0, sizeof(daemon->log));
        return daemon->kept;
}

static void expect_unexpected(struct daemon *daemon, const char *message)
{
        assert_non_null(strstr(nx_provider_get_error(daemon->provider), message));
}

static void test_without_a_wish_any_bytes_are_shown(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        expect_inspected(&daemon->inbox[0], 1, 0, 0);
}

static uint64_t wish_outbound, wish_inbound;
static int wish_result;

static void wish(struct nx_flow *flow)
{
        wish_result = nx_flow_filter_data(flow, wish_outbound, wish_inbound);
}

static void test_a_wish_goes_with_the_verdict(void **state)
{
        struct daemon *daemon = *state;

        wish_outbound = 1ULL << 40;
        wish_inbound = ALL;
        daemon->look = wish;
        start_and_inspect(daemon);
        assert_int_equal(wish_result, 0);
        expect_inspected(&daemon->inbox[0], 1, 1ULL << 40, ALL);

        daemon->look = NULL;
        assert_int_equal(daemon_ask(daemon, 2), 0); /* it is for one flow only */
        expect_inspected(&daemon->inbox[0], 2, 0, 0);
}

static void test_a_direction_without_a_function_passes_unseen(void **state)
{
        struct daemon *daemon = *state;

        wish_outbound = 3;
        wish_inbound = 4;
        daemon->look = wish;
        start_and_inspect(daemon);
        expect_inspected(&daemon->inbox[0], 1, 3, ALL);
}

static void test_the_other_direction_alone_can_be_seen(void **state)
{
        struct daemon *daemon = *state;

        wish_outbound = 3;
        wish_inbound = 4;
        daemon->look = wish;
        start_and_inspect(daemon);
        expect_inspected(&daemon->inbox[0], 1, ALL, 4);
}

static void test_without_any_function_for_bytes_it_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_FILTER_DATA;
        assert_int_equal(daemon_ask(daemon, 1), -EPROTO);
        assert_int_equal(daemon->n_mails, 0);
        expect_error(daemon,
                     "handle_new_flow answered flow 1 with FILTER_DATA, but there is neither "
                     "handle_outbound_data nor handle_inbound_data to show its bytes to");
}

static void test_only_who_has_yet_to_answer_can_wish(void **state)
{
        struct daemon *daemon = *state;

        assert_int_equal(nx_flow_filter_data(start_and_inspect(daemon), 1, 1), -EINVAL);
        daemon_start_afresh(daemon);
        assert_int_equal(nx_flow_filter_data(daemon->kept, 1, 1), -ESTALE);
}

static void test_a_proxy_cannot_inspect(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->look = wish;
        daemon->verdict = NX_VERDICT_DECLINE;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        assert_int_equal(wish_result, -EINVAL);
        assert_int_equal(show(daemon, OUTBOUND, 0, "GET /"), -EPROTO);
        expect_unexpected(daemon, "PROVIDER_FLOW_DATA");
}

static void test_a_paused_flow_can_be_inspected(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_PAUSE;
        daemon->keeps = true;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        assert_int_equal(nx_flow_filter_data(daemon->kept, 5, 6), 0);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_FILTER_DATA), 0);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_FILTER_DATA), -EALREADY);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
        expect_inspected(&daemon->inbox[0], 1, 5, 6);

        daemon->data_verdict = release(5, 0);
        assert_int_equal(show(daemon, OUTBOUND, 0, "GET /"), 0);
        expect_answer(&daemon->inbox[0], OUTBOUND, 0, release(5, 0));
}

static void test_a_bare_filter_cannot_resume_with_a_look(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_PAUSE;
        daemon->keeps = true;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_FILTER_DATA), -EINVAL);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_ALLOW), 0);
}

static void test_bytes_of_each_direction_are_shown(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        daemon->data_verdict = release(3, 7);
        assert_int_equal(show(daemon, OUTBOUND, 1ULL << 33, "GET /"), 0);
        assert_string_equal(daemon->log, "d");
        assert_int_equal(daemon->shown_flow, 1);
        assert_int_equal(daemon->shown_direction, OUTBOUND);
        assert_int_equal(daemon->shown_offset, 1ULL << 33);
        assert_int_equal(daemon->shown_size, 5);
        assert_memory_equal(daemon->shown, "GET /", 5);
        assert_int_equal(daemon->n_mails, 1);
        expect_answer(&daemon->inbox[0], OUTBOUND, 1ULL << 33, release(3, 7));

        daemon->data_verdict = release(ALL, ALL);
        assert_int_equal(show(daemon, INBOUND, 0, "200"), 0);
        assert_string_equal(daemon->log, "dd");
        assert_int_equal(daemon->shown_direction, INBOUND);
        assert_memory_equal(daemon->shown, "200", 3);
        expect_answer(&daemon->inbox[0], INBOUND, 0, release(ALL, ALL));
}

static void test_a_pause_has_no_numbers(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        daemon->data_verdict = release(3, 7);
        daemon->data_verdict.verdict = NX_VERDICT_PAUSE;
        assert_int_equal(show(daemon, OUTBOUND, 4, "GET /"), 0);
        expect_answer(&daemon->inbox[0], OUTBOUND, 4, say(NX_VERDICT_PAUSE));
        daemon->data_verdict = release(5, 0); /* and is no end */
        assert_int_equal(show(daemon, INBOUND, 0, "200"), 0);
        expect_answer(&daemon->inbox[0], INBOUND, 0, release(5, 0));
}

static void expect_settled(struct daemon *daemon, enum nx_verdict verdict)
{
        start_and_inspect(daemon);
        daemon->data_verdict = say(verdict);
        assert_int_equal(show(daemon, OUTBOUND, 0, "GET /"), 0);
        assert_int_equal(daemon->n_mails, 1);
        expect_answer(&daemon->inbox[0], OUTBOUND, 0, say(verdict));

        assert_int_equal(show(daemon, INBOUND, 0, "200"), 0); /* had left before */
        assert_int_equal(complete(daemon, OUTBOUND), 0);
        assert_string_equal(daemon->log, "d");
        assert_int_equal(daemon->n_mails, 0);
        assert_int_equal(nx_flow_update(daemon->kept, INBOUND, release(1, 1)), -EALREADY);

        daemon_send_closed(daemon, 1, 0);
        daemon_send_closed(daemon, 1, 0);
        assert_int_equal(daemon_let_answer(daemon), 0);
        assert_string_equal(daemon->log, "dz");
        assert_int_equal(daemon->closed_flow, 1);
        assert_int_equal(nx_flow_update(daemon->kept, INBOUND, release(1, 1)), -ESTALE);
        daemon->kept = nx_flow_unref(daemon->kept);
}

static void test_after_allow_and_drop_nothing_is_asked(void **state)
{
        expect_settled(*state, NX_VERDICT_ALLOW);
        expect_settled(*state, NX_VERDICT_DROP);
}

static void expect_no_verdict(struct daemon *daemon, enum nx_verdict verdict, const char *number)
{
        start_and_inspect(daemon);
        daemon->data_verdict = say(verdict);
        assert_int_equal(show(daemon, INBOUND, 0, "200"), -EPROTO);
        expect_unexpected(daemon, number);
        expect_unexpected(daemon,
                          " for flow 1; a verdict about bytes is FILTER_DATA, ALLOW, DROP or "
                          "PAUSE");
        assert_string_equal(daemon->log, "dt");
        assert_int_equal(daemon->n_mails, 0);
}

static void test_a_refusal_comes_too_late(void **state)
{
        expect_no_verdict(*state, NX_VERDICT_REFUSE, "handle_inbound_data returned 5");
}

static void test_no_verdict_is_a_fault(void **state)
{
        expect_no_verdict(*state, NX_VERDICT_NONE, "handle_inbound_data returned 0");
}

static void test_the_end_of_a_stream_is_told(void **state)
{
        static const enum nx_direction directions[] = { OUTBOUND, INBOUND };
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        daemon->data_verdict = release(9, 0);
        for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
                assert_int_equal(complete(daemon, directions[i]), 0);
                assert_int_equal(daemon->shown_direction, directions[i]);
                assert_int_equal(daemon->n_mails, 1);
                expect_answer(&daemon->inbox[0], directions[i], 0, release(9, 0));
        }
        assert_string_equal(daemon->log, "ee");
}

static void test_an_end_can_be_paused_and_decided(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        daemon->data_verdict = say(NX_VERDICT_PAUSE);
        assert_int_equal(complete(daemon, OUTBOUND), 0);
        expect_answer(&daemon->inbox[0], OUTBOUND, 0, say(NX_VERDICT_PAUSE));
        daemon->data_verdict = say(NX_VERDICT_DROP);
        assert_int_equal(complete(daemon, INBOUND), 0);
        expect_answer(&daemon->inbox[0], INBOUND, 0, say(NX_VERDICT_DROP));
        assert_int_equal(complete(daemon, INBOUND), 0);
        assert_string_equal(daemon->log, "ee");
}

static void test_a_bad_verdict_about_an_end_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        daemon->data_verdict = say(NX_VERDICT_CLAIM);
        assert_int_equal(complete(daemon, OUTBOUND), -EPROTO);
        expect_unexpected(daemon, "handle_outbound_complete returned 100 for flow 1");
}

/* An end without a function must not let the other direction pass unseen. */
static void test_an_end_without_a_function_ends_only_that_direction(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        assert_int_equal(complete(daemon, INBOUND), 0);
        expect_answer(&daemon->inbox[0], INBOUND, 0, release(ALL, 0));
        daemon->data_verdict = release(5, 0);
        assert_int_equal(show(daemon, OUTBOUND, 0, "GET /"), 0);
        expect_answer(&daemon->inbox[0], OUTBOUND, 0, release(5, 0));
        assert_string_equal(daemon->log, "d");
}

static void test_bytes_without_a_function_pass(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        assert_int_equal(show(daemon, INBOUND, 8, "200"), 0);
        expect_answer(&daemon->inbox[0], INBOUND, 8, release(ALL, 0));
        daemon_send_closed(daemon, 1, 0); /* and handle_flow_ended is not there either */
        assert_int_equal(daemon_let_answer(daemon), 0);
        assert_string_equal(daemon->log, "");
}

static void test_an_update_is_sent_at_once(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_inspect(daemon);

        assert_int_equal(nx_flow_update(flow, INBOUND, release(1ULL << 40, 2)), 0);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
        expect_update(&daemon->inbox[0], INBOUND, release(1ULL << 40, 2));
        assert_int_equal(nx_flow_update(flow, OUTBOUND, say(NX_VERDICT_DROP)), 0);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
        expect_update(&daemon->inbox[0], OUTBOUND, say(NX_VERDICT_DROP));

        assert_int_equal(nx_flow_update(flow, OUTBOUND, say(NX_VERDICT_ALLOW)), -EALREADY);
        assert_int_equal(show(daemon, INBOUND, 0, "200"), 0);
        assert_string_equal(daemon->log, "");
}

static void test_what_is_no_update_is_refused(void **state)
{
        static const enum nx_verdict verdicts[] = { NX_VERDICT_NONE, NX_VERDICT_PAUSE,
                                                    NX_VERDICT_REFUSE, NX_VERDICT_CLAIM };
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_inspect(daemon);

        for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
                assert_int_equal(nx_flow_update(flow, OUTBOUND, say(verdicts[i])), -EINVAL);
        assert_int_equal(nx_flow_update(flow, NX_DIRECTION_ANY, release(1, 1)), -EINVAL);
        assert_int_equal(nx_flow_update(flow, (enum nx_direction)3, release(1, 1)), -EINVAL);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 0);
}

static void test_only_an_inspected_flow_is_updated(void **state)
{
        static const enum nx_verdict verdicts[] = { NX_VERDICT_ALLOW, NX_VERDICT_PAUSE };
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->keeps = true;
        for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
                daemon->verdict = verdicts[i];
                assert_int_equal(daemon_ask(daemon, 1), 0);
                assert_int_equal(nx_flow_update(daemon->kept, OUTBOUND, release(1, 1)), -EINVAL);
                daemon->kept = nx_flow_unref(daemon->kept);
        }
}

static int update_results[4];

static void update_both(struct nx_flow *flow)
{
        update_results[0] = nx_flow_update(flow, OUTBOUND, release(1, 2));
        update_results[1] = nx_flow_update(flow, INBOUND, release(3, 4));
        update_results[2] = nx_flow_update(flow, INBOUND, say(NX_VERDICT_ALLOW));
        update_results[3] = nx_flow_update(flow, OUTBOUND, say(NX_VERDICT_DROP));
}

static void expect_busy_but_for_the_other_direction(struct daemon *daemon)
{
        assert_int_equal(update_results[0], -EBUSY);
        assert_int_equal(update_results[1], 0);
        assert_int_equal(update_results[2], -EBUSY);
        assert_int_equal(update_results[3], -EBUSY);
        assert_int_equal(daemon->n_mails, 2);
        expect_update(&daemon->inbox[0], INBOUND, release(3, 4));
        expect_answer(&daemon->inbox[1], OUTBOUND, 0, release(5, 0));
}

static void test_who_looks_at_bytes_returns_what_becomes_of_them(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_inspect(daemon);

        daemon->look = update_both;
        daemon->data_verdict = release(5, 0);
        assert_int_equal(show(daemon, OUTBOUND, 0, "GET /"), 0);
        expect_busy_but_for_the_other_direction(daemon);
        assert_int_equal(complete(daemon, OUTBOUND), 0);
        expect_busy_but_for_the_other_direction(daemon);
        assert_int_equal(nx_flow_update(flow, OUTBOUND, release(1, 2)), 0); /* and not any more */
}

static void test_answers_of_a_round_are_one_datagram(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        daemon->data_verdict = release(5, 0);
        for (uint64_t i = 0; i < 20; i++)
                daemon_put_data(daemon, 1, i % 2 ? INBOUND : OUTBOUND, i, "GET /", 5);
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 20);
        for (uint64_t i = 0; i < 20; i++)
                expect_answer(&daemon->inbox[i], i % 2 ? INBOUND : OUTBOUND, i, release(5, 0));
}

static void test_as_much_as_a_message_carries_is_shown(void **state)
{
        struct daemon *daemon = *state;
        static uint8_t bytes[NX_DATA_PEEK_MAX];

        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = (uint8_t)(i * 31 + i / 256);
        start_and_inspect(daemon);
        daemon->data_verdict = release(sizeof(bytes), 0);
        for (int i = 0; i < 8; i++) {
                bytes[0] = (uint8_t)i;
                for (int j = 0; j < 4; j++)
                        daemon_put_data(daemon, 1, OUTBOUND, 0, bytes, sizeof(bytes));
                assert_int_equal(daemon_let_answer(daemon), 0);
                assert_int_equal(daemon->n_mails, 4);
                assert_int_equal(daemon->shown_size, sizeof(bytes));
                assert_memory_equal(daemon->shown, bytes, sizeof(bytes));
        }
}

#define MEMORY_SIZE ((size_t)WIRE_SLOTS * WIRE_SLOT_SIZE)

static void expect_seen(const struct mail *mail, uint32_t slot)
{
        assert_int_equal(mail->type, NX_MSG_ENGINE_DATA_SEEN);
        assert_int_equal(mail->numbers[WIRE_ATTR_SLOT], slot);
}

static int show_slot(struct daemon *daemon, uint32_t slot, uint64_t size)
{
        daemon_put_shown(daemon, 1, OUTBOUND, 0, slot, size);
        return daemon_let_answer(daemon);
}

static void test_what_lies_in_shared_memory_is_shown(void **state)
{
        struct daemon *daemon = *state;
        uint8_t *memory;

        start_and_inspect(daemon);
        daemon->data_verdict = release(NX_DATA_SHOWN_MAX, 0);
        memory = daemon_share_memory(daemon, MEMORY_SIZE);
        for (size_t i = 0; i < WIRE_SLOT_SIZE; i++)
                memory[3 * (size_t)WIRE_SLOT_SIZE + i] = (uint8_t)(i * 31 + i / 256);
        assert_int_equal(show_slot(daemon, 3, WIRE_SLOT_SIZE), 0);
        assert_int_equal(daemon->shown_size, WIRE_SLOT_SIZE);
        assert_memory_equal(daemon->shown, memory + 3 * (size_t)WIRE_SLOT_SIZE, WIRE_SLOT_SIZE);
        assert_int_equal(daemon->n_mails, 2);
        expect_answer(&daemon->inbox[0], OUTBOUND, 0, daemon->data_verdict);
        expect_seen(&daemon->inbox[1], 3);
        munmap(memory, MEMORY_SIZE);
}

static void test_a_slot_is_given_back_also_unseen(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        munmap(daemon_share_memory(daemon, MEMORY_SIZE), MEMORY_SIZE);
        daemon_send_closed(daemon, 1, 0);
        assert_int_equal(show_slot(daemon, 7, 1), 0);
        assert_int_equal(daemon->n_mails, 1);
        expect_seen(&daemon->inbox[0], 7);
        assert_string_equal(daemon->log, "z");
}

static void test_memory_that_is_not_there_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        assert_int_equal(show_slot(daemon, 0, 1), -EPROTO);
        expect_unexpected(daemon, "PROVIDER_FLOW_DATA");
}

static void test_a_slot_that_is_not_there_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        munmap(daemon_share_memory(daemon, MEMORY_SIZE), MEMORY_SIZE);
        assert_int_equal(show_slot(daemon, WIRE_SLOTS, 1), -EPROTO);
        expect_unexpected(daemon, "PROVIDER_FLOW_DATA");
}

static void test_more_than_a_slot_holds_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        munmap(daemon_share_memory(daemon, MEMORY_SIZE), MEMORY_SIZE);
        assert_int_equal(show_slot(daemon, 0, WIRE_SLOT_SIZE + 1), -EPROTO);
        expect_unexpected(daemon, "PROVIDER_FLOW_DATA");
}

static void test_memory_of_another_size_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        munmap(daemon_share_memory(daemon, MEMORY_SIZE - 1), MEMORY_SIZE - 1);
        assert_int_equal(daemon_let_answer(daemon), -EPROTO);
        expect_unexpected(daemon, "size");
}

static void test_memory_ends_with_its_channel(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        munmap(daemon_share_memory(daemon, MEMORY_SIZE), MEMORY_SIZE);
        assert_int_equal(daemon_let_answer(daemon), 0);
        daemon->kept = nx_flow_unref(daemon->kept);
        start_and_inspect(daemon);
        assert_int_equal(show_slot(daemon, 0, 1), -EPROTO);
}

static void test_datagrams_are_shown_one_by_one(void **state)
{
        struct daemon *daemon = *state;

        daemon->protocol = IPPROTO_UDP;
        start_and_inspect(daemon);
        daemon->data_verdict = release(ALL, 0);
        assert_int_equal(show(daemon, OUTBOUND, 0, ""), 0);
        assert_int_equal(daemon->shown_size, 0);
        expect_answer(&daemon->inbox[0], OUTBOUND, 0, release(ALL, 0));
        daemon->data_verdict = release(0, 0);
        assert_int_equal(show(daemon, OUTBOUND, 0, "query"), 0);
        assert_int_equal(daemon->shown_size, 5);
        expect_answer(&daemon->inbox[0], OUTBOUND, 0, release(0, 0));
}

static void test_bytes_of_a_flow_that_is_not_inspected_are_a_fault(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_PAUSE;
        daemon->keeps = true;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        assert_int_equal(show(daemon, OUTBOUND, 0, "GET /"), -EPROTO);
        expect_unexpected(daemon, "PROVIDER_FLOW_DATA");
        assert_string_equal(daemon->log, "nt");
}

static void test_bytes_of_no_direction_are_a_fault(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        assert_int_equal(show(daemon, NX_DIRECTION_ANY, 0, "GET /"), -EPROTO);
        assert_string_equal(daemon->log, "t");
}

static void test_an_end_of_no_direction_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        assert_int_equal(complete(daemon, NX_DIRECTION_ANY), -EPROTO);
        expect_unexpected(daemon, "PROVIDER_FLOW_COMPLETE");
        assert_string_equal(daemon->log, "t");
}

static void test_numbers_that_nobody_inspects_are_ignored(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        assert_int_equal(show(daemon, OUTBOUND, 0, "GET /"), 0);
        assert_int_equal(complete(daemon, OUTBOUND), 0);
        daemon_send_closed(daemon, 1, 0);
        assert_int_equal(daemon_let_answer(daemon), 0);
        assert_string_equal(daemon->log, "");
        assert_int_equal(daemon->n_mails, 0);
}

static struct nx_flow *unkept;

static void look_and_leave(struct nx_flow *flow)
{
        unkept = flow;
        nx_flow_set_userdata(flow, &unkept);
}

static void expect_there(struct nx_flow *flow)
{
        assert_ptr_equal(flow, unkept);
        assert_ptr_equal(nx_flow_get_userdata(flow), &unkept);
        assert_string_equal(nx_flow_get_program(flow), "/usr/bin/curl");
}

static void test_a_flow_need_not_be_kept(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_FILTER_DATA;
        daemon->look = look_and_leave;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        daemon->look = NULL;
        assert_int_equal(daemon_ask(daemon, 2), 0);
        daemon->look = expect_there;
        daemon->data_verdict = release(5, 0);
        assert_int_equal(show(daemon, OUTBOUND, 0, "GET /"), 0);
        assert_int_equal(show(daemon, OUTBOUND, 5, "/ab"), 0);
        assert_int_equal(nx_flow_update(unkept, OUTBOUND, release(3, 0)), 0);
        assert_string_equal(daemon->log, "nndd");
}

static void test_a_flow_that_ends_is_told_once(void **state)
{
        struct daemon *daemon = *state;

        start_and_inspect(daemon);
        daemon_send_closed(daemon, 1, -ECONNRESET);
        daemon_send_closed(daemon, 1, -ECONNRESET);
        assert_int_equal(show(daemon, OUTBOUND, 0, "GET /"), 0);
        assert_string_equal(daemon->log, "z");
        assert_int_equal(daemon->closed_flow, 1);
}

static void expect_stale_but_there(struct daemon *daemon)
{
        assert_int_equal(nx_flow_update(daemon->kept, OUTBOUND, release(1, 1)), -ESTALE);
        assert_string_equal(nx_flow_get_program(daemon->kept), "/usr/bin/curl");
}

static void test_a_stop_makes_inspected_flows_stale(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_inspect(daemon);

        daemon->at_stop = expect_stale_but_there;
        daemon_send_stop(daemon);
        daemon_put_data(daemon, 1, OUTBOUND, 0, "GET /", 5);
        daemon_send_closed(daemon, 1, 0);
        assert_int_equal(daemon_let_answer(daemon), 0);
        assert_string_equal(daemon->log, "t");
        assert_int_equal(nx_flow_update(flow, OUTBOUND, release(1, 1)), -ESTALE);
}

static void test_another_flow_channel_makes_inspected_flows_stale(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_inspect(daemon);

        daemon_start_afresh(daemon);
        assert_int_equal(show(daemon, OUTBOUND, 0, "GET /"), 0);
        assert_string_equal(daemon->log, "");
        assert_int_equal(nx_flow_update(flow, OUTBOUND, release(1, 1)), -ESTALE);
}

#define TEST_AS(kind, name)                                                                        \
        cmocka_unit_test_setup_teardown(name, daemon_setup##kind, daemon_teardown)
#define TEST(name) TEST_AS(, name)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_without_a_wish_any_bytes_are_shown),
                TEST(test_a_wish_goes_with_the_verdict),
                TEST_AS(_outbound_filter, test_a_direction_without_a_function_passes_unseen),
                TEST_AS(_inbound_filter, test_the_other_direction_alone_can_be_seen),
                TEST_AS(_bare_filter, test_without_any_function_for_bytes_it_is_a_fault),
                TEST(test_only_who_has_yet_to_answer_can_wish),
                TEST_AS(_proxy, test_a_proxy_cannot_inspect),
                TEST(test_a_paused_flow_can_be_inspected),
                TEST_AS(_bare_filter, test_a_bare_filter_cannot_resume_with_a_look),
                TEST(test_bytes_of_each_direction_are_shown),
                TEST(test_a_pause_has_no_numbers),
                TEST(test_after_allow_and_drop_nothing_is_asked),
                TEST(test_a_refusal_comes_too_late),
                TEST(test_no_verdict_is_a_fault),
                TEST(test_the_end_of_a_stream_is_told),
                TEST(test_an_end_can_be_paused_and_decided),
                TEST(test_a_bad_verdict_about_an_end_is_a_fault),
                TEST_AS(_outbound_filter, test_an_end_without_a_function_ends_only_that_direction),
                TEST_AS(_outbound_filter, test_bytes_without_a_function_pass),
                TEST(test_an_update_is_sent_at_once),
                TEST(test_what_is_no_update_is_refused),
                TEST(test_only_an_inspected_flow_is_updated),
                TEST(test_who_looks_at_bytes_returns_what_becomes_of_them),
                TEST(test_answers_of_a_round_are_one_datagram),
                TEST(test_as_much_as_a_message_carries_is_shown),
                TEST(test_what_lies_in_shared_memory_is_shown),
                TEST(test_a_slot_is_given_back_also_unseen),
                TEST(test_memory_that_is_not_there_is_a_fault),
                TEST(test_a_slot_that_is_not_there_is_a_fault),
                TEST(test_more_than_a_slot_holds_is_a_fault),
                TEST(test_memory_of_another_size_is_a_fault),
                TEST(test_memory_ends_with_its_channel),
                TEST(test_datagrams_are_shown_one_by_one),
                TEST(test_bytes_of_a_flow_that_is_not_inspected_are_a_fault),
                TEST(test_bytes_of_no_direction_are_a_fault),
                TEST(test_an_end_of_no_direction_is_a_fault),
                TEST(test_numbers_that_nobody_inspects_are_ignored),
                TEST(test_a_flow_need_not_be_kept),
                TEST(test_a_flow_that_ends_is_told_once),
                TEST(test_a_stop_makes_inspected_flows_stale),
                TEST(test_another_flow_channel_makes_inspected_flows_stale),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
