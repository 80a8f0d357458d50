/* SPDX-License-Identifier: Apache-2.0 */

/* What happens to a flow between flowd's question and the extension's answer. */

#include <errno.h>
#include <string.h>

#include "daemon.h"

static void ask(struct daemon *daemon, uint64_t flow)
{
        daemon_put_flow(daemon, flow, "/usr/bin/curl");
        assert_int_equal(channel_flush(&daemon->engine), 0);
}

static void start(struct daemon *daemon)
{
        daemon_start(daemon);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 1);
        assert_int_equal(daemon->inbox[0].type, NX_MSG_ENGINE_STARTED);
        assert_int_equal(daemon->inbox[0].numbers[WIRE_ATTR_RESULT], 0);
}

static void test_answers_of_a_round_are_one_datagram(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        daemon->verdict = NX_VERDICT_REFUSE;
        for (uint64_t flow = 1; flow <= 3; flow++)
                daemon_put_flow(daemon, flow, "/usr/bin/curl");
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(daemon_let_work(daemon), 0);

        assert_int_equal(daemon_receive(daemon, &daemon->engine), 3);
        for (uint64_t flow = 1; flow <= 3; flow++)
                expect_verdict(&daemon->inbox[flow - 1], flow, NX_VERDICT_REFUSE);
        assert_string_equal(daemon->log, "snnn");
}

static void look_at_known(struct nx_flow *flow)
{
        assert_int_equal(nx_flow_get_identifier(flow), 9);
        assert_int_equal(nx_flow_get_direction(flow), NX_DIRECTION_OUTBOUND);
        assert_int_equal(nx_flow_get_protocol(flow), IPPROTO_TCP);
        assert_string_equal(nx_flow_get_local_address(flow), "198.18.0.2");
        assert_int_equal(nx_flow_get_local_port(flow), 40000);
        assert_string_equal(nx_flow_get_remote_address(flow), "fd00::1");
        assert_int_equal(nx_flow_get_remote_port(flow), 443);
        assert_string_equal(nx_flow_get_remote_hostname(flow), "example.org");
        assert_int_equal(nx_flow_get_started_ns(flow), 77);
        assert_true(nx_flow_is_attributed(flow));
        assert_int_equal(nx_flow_get_pid(flow), 4321);
        assert_int_equal(nx_flow_get_uid(flow), 1000);
        assert_string_equal(nx_flow_get_program(flow), "/usr/bin/curl");
        assert_string_equal(nx_flow_get_program_digest(flow), "sha256:0123");
        assert_string_equal(nx_flow_get_program_signer(flow), "EXAMPLE.com.example.app");
        assert_string_equal(nx_flow_get_program_package(flow), "curl");
        assert_true(nx_flow_is_program_path_trusted(flow));
        assert_null(nx_flow_get_command_line(flow));
        assert_string_equal(nx_flow_get_cgroup(flow), "/user.slice");
        assert_string_equal(nx_flow_get_unit(flow), "user@1000.service");
        assert_string_equal(nx_flow_get_container(flow), "docker:0123");
        assert_string_equal(nx_flow_get_parents(flow), "/usr/bin/bash\n/usr/sbin/sshd");
        assert_string_equal(nx_flow_get_responsible_program(flow), "/usr/sbin/sshd");
        assert_int_equal(nx_flow_get_responsible_pid(flow), 4320);
        assert_int_equal(nx_flow_get_creator_pid(flow), 1);
        assert_string_equal(nx_flow_get_creator_program(flow), "/usr/lib/systemd/systemd");
        assert_int_equal(nx_flow_get_origin_flow(flow), 0);
        assert_int_equal(nx_flow_get_origin_pid(flow), -1);
        assert_null(nx_flow_get_origin_program(flow));
        assert_int_equal(nx_flow_get_origin_uid(flow), UINT32_MAX);
        assert_null(nx_flow_get_origin_cgroup(flow));
        assert_false(nx_flow_is_origin_program_path_trusted(flow));
}

static void test_a_flow_tells_what_flowd_said(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        daemon->look = look_at_known;
        ask(daemon, 9);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "sn");
}

static void set_userdata(struct nx_flow *flow)
{
        assert_null(nx_flow_get_userdata(flow));
        nx_flow_set_userdata(flow, flow);
        assert_ptr_equal(nx_flow_get_userdata(flow), flow);
}

static void test_userdata_is_of_one_flow(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        daemon->look = set_userdata;
        ask(daemon, 9);
        ask(daemon, 10); /* in the memory of the one before */
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "snn");
}

static void look_at_unknown(struct nx_flow *flow)
{
        assert_false(nx_flow_is_attributed(flow));
        assert_int_equal(nx_flow_get_pid(flow), -1);
        assert_int_equal(nx_flow_get_uid(flow), UINT32_MAX);
        assert_null(nx_flow_get_program(flow));
        assert_null(nx_flow_get_program_digest(flow));
        assert_null(nx_flow_get_program_signer(flow));
        assert_null(nx_flow_get_program_package(flow));
        assert_null(nx_flow_get_cgroup(flow));
        assert_null(nx_flow_get_unit(flow));
        assert_null(nx_flow_get_container(flow));
        assert_null(nx_flow_get_parents(flow));
        assert_null(nx_flow_get_responsible_program(flow));
        assert_int_equal(nx_flow_get_responsible_pid(flow), -1);
        assert_int_equal(nx_flow_get_creator_pid(flow), -1);
        assert_null(nx_flow_get_creator_program(flow));
        assert_false(nx_flow_is_program_path_trusted(flow));
        assert_string_equal(nx_flow_get_remote_hostname(flow), "example.org");
}

static void test_an_unattributed_flow_says_nothing_about_its_owner(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        daemon->look = look_at_unknown;
        daemon_put_flow(daemon, 9, NULL);
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "sn");
}

static void look_at_origin(struct nx_flow *flow)
{
        assert_false(nx_flow_is_attributed(flow));
        assert_null(nx_flow_get_program(flow));
        assert_int_equal(nx_flow_get_origin_flow(flow), 42);
        assert_int_equal(nx_flow_get_origin_pid(flow), 99);
        assert_string_equal(nx_flow_get_origin_program(flow), "/usr/bin/wget");
        assert_int_equal(nx_flow_get_origin_uid(flow), 1001);
        assert_string_equal(nx_flow_get_origin_cgroup(flow), "/origin.slice");
        assert_string_equal(nx_flow_get_origin_program_digest(flow), "sha256:4567");
        assert_string_equal(nx_flow_get_origin_program_signer(flow), "EXAMPLE.com.example.origin");
        assert_true(nx_flow_is_origin_program_path_trusted(flow));
}

static void test_an_origin_is_told_whoever_the_last_hop_is(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        daemon->look = look_at_origin;
        daemon->has_origin = true;
        daemon_put_flow(daemon, 9, NULL);
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(daemon_let_work(daemon), 0);

        daemon->look = look_at_known; /* and does not stay in the memory of the flow */
        daemon->has_origin = false;
        ask(daemon, 9);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "snn");
}

static void pause_one(struct daemon *daemon, uint64_t flow)
{
        daemon->verdict = NX_VERDICT_PAUSE;
        daemon->keeps = true;
        ask(daemon, flow);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 1);
        expect_verdict(&daemon->inbox[0], flow, NX_VERDICT_PAUSE);
}

static void test_a_paused_flow_is_resumed_at_once_and_only_once(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        pause_one(daemon, 5);
        /* Another flow between: the kept one must not share its memory. */
        daemon->keeps = false;
        daemon->verdict = NX_VERDICT_ALLOW;
        ask(daemon, 6);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 1);

        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_PAUSE), -EINVAL);
        assert_int_equal(nx_flow_resume(daemon->kept, (enum nx_verdict)99), -EINVAL);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_DROP), 0);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 1);
        expect_verdict(&daemon->inbox[0], 5, NX_VERDICT_DROP);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_DROP), -EALREADY);
        assert_string_equal(nx_flow_get_program(daemon->kept), "/usr/bin/curl");
}

static void test_a_flow_of_an_earlier_run_is_stale(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        pause_one(daemon, 5);
        start(daemon); /* over a new channel */
        assert_string_equal(daemon->log, "snts");
        assert_int_equal(daemon->stop_reason, NX_PROVIDER_STOP_INTERNAL_ERROR);
        assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_ALLOW), -ESTALE);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 0);
        assert_string_equal(nx_flow_get_remote_address(daemon->kept), "fd00::1");
}

static void test_a_paused_flow_that_nobody_kept_is_refused(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        daemon->verdict = NX_VERDICT_PAUSE;
        ask(daemon, 8);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 2);
        expect_verdict(&daemon->inbox[0], 8, NX_VERDICT_PAUSE);
        expect_verdict(&daemon->inbox[1], 8, NX_VERDICT_REFUSE);
        assert_int_equal(daemon_receive(daemon, &daemon->control), 1); /* hello */
        assert_int_equal(daemon_receive(daemon, &daemon->control), 1);
        assert_int_equal(daemon->inbox[0].type, NX_MSG_MANAGER_EXTENSION_REPORT);
        assert_int_equal(daemon->inbox[0].numbers[WIRE_ATTR_COUNT], NX_LEVEL_WARNING);
        assert_non_null(strstr(daemon->inbox[0].text, "Flow 8"));
}

static void test_a_verdict_that_is_none_ends_the_provider(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        daemon->verdict = (enum nx_verdict)3;
        ask(daemon, 1);
        assert_int_equal(daemon_let_work(daemon), -EPROTO);
        assert_non_null(strstr(nx_provider_get_error(daemon->provider), "returned 3"));
        assert_string_equal(daemon->log, "snt");
        assert_int_equal(daemon_receive(daemon, &daemon->control), 1); /* hello */
        assert_int_equal(daemon_receive(daemon, &daemon->control), 1);
        assert_non_null(strstr(daemon->inbox[0].text, "returned 3"));
        assert_int_equal(nx_provider_dispatch(daemon->provider), -EPROTO);
}

static void test_a_flow_before_the_start_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        daemon_connect(daemon);
        ask(daemon, 1);
        assert_int_equal(daemon_let_work(daemon), -EPROTO);
        assert_non_null(strstr(nx_provider_get_error(daemon->provider), "PROVIDER_FLOW_NEW"));
        assert_string_equal(daemon->log, "");
}

static void want_reports(struct nx_flow *flow)
{
        assert_int_equal(nx_flow_want_reports(flow, (enum nx_report_frequency)4), -EINVAL);
        assert_int_equal(nx_flow_want_reports(flow, NX_REPORT_FREQUENCY_HIGH), 0);
}

static void send_report(struct daemon *daemon, uint64_t flow, enum nx_report_event event,
                        uint64_t n_bytes)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_FLOW_REPORT, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow);
        wire_put(writer, WIRE_ATTR_REPORT_EVENT, event);
        wire_put(writer, WIRE_ATTR_ACTION, NX_FILTER_ACTION_ALLOW);
        if (n_bytes > 0) {
                wire_put(writer, WIRE_ATTR_BYTES_OUTBOUND, n_bytes);
                wire_put(writer, WIRE_ATTR_BYTES_INBOUND, 2 * n_bytes);
        }
        assert_int_equal(channel_end(&daemon->engine), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(daemon_let_work(daemon), 0);
}

static void expect_report(struct daemon *daemon, enum nx_report_event event, uint64_t n_bytes)
{
        assert_int_equal(daemon->reported_flow, 9);
        assert_int_equal(daemon->report.event, event);
        assert_int_equal(daemon->report.action, NX_FILTER_ACTION_ALLOW);
        assert_int_equal(daemon->report.has_counts, n_bytes > 0);
        assert_int_equal(daemon->report.bytes_outbound, n_bytes);
        assert_int_equal(daemon->report.bytes_inbound, 2 * n_bytes);
}

static void test_a_flow_is_kept_until_its_last_report(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        daemon->look = want_reports;
        daemon->verdict = NX_VERDICT_ALLOW;
        ask(daemon, 9);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 1);
        expect_verdict(&daemon->inbox[0], 9, NX_VERDICT_ALLOW);
        assert_true((daemon->inbox[0].present & WIRE_HAS(REPORT_FREQUENCY)) != 0);
        assert_int_equal(daemon->inbox[0].numbers[WIRE_ATTR_REPORT_FREQUENCY],
                         NX_REPORT_FREQUENCY_HIGH);

        send_report(daemon, 9, NX_REPORT_NEW_FLOW, 0);
        expect_report(daemon, NX_REPORT_NEW_FLOW, 0);
        send_report(daemon, 9, NX_REPORT_STATISTICS, 100);
        expect_report(daemon, NX_REPORT_STATISTICS, 100);
        send_report(daemon, 9, NX_REPORT_FLOW_CLOSED, 300);
        expect_report(daemon, NX_REPORT_FLOW_CLOSED, 300);
        send_report(daemon, 9, NX_REPORT_STATISTICS, 400); /* of no flow of ours */
        assert_string_equal(daemon->log, "snrrr");
}

struct updated {
        uint64_t flow;
        int result;
        unsigned int n;
};

static void on_updated(struct nx_filter *filter, uint64_t flow, int result, void *userdata)
{
        struct updated *updated = userdata;

        *updated = (struct updated){ .flow = flow, .result = result, .n = updated->n + 1 };
}

static void answer_update(struct daemon *daemon, uint64_t flow, int result)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_FLOW_UPDATED, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        assert_int_equal(channel_end(&daemon->engine), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
}

static void test_each_update_has_one_answer(void **state)
{
        struct daemon *daemon = *state;
        struct updated updated = {};

        start(daemon);
        assert_int_equal(nx_filter_update_flow(daemon->filter, 7, NX_VERDICT_ALLOW, NULL, NULL),
                         -EINVAL);
        for (uint64_t flow = 7; flow <= 9; flow++)
                assert_int_equal(nx_filter_update_flow(daemon->filter, flow, NX_VERDICT_DROP,
                                                       on_updated, &updated),
                                 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 3);
        assert_int_equal(daemon->inbox[0].type, NX_MSG_ENGINE_FLOW_UPDATE);
        assert_int_equal(daemon->inbox[2].numbers[WIRE_ATTR_FLOW], 9);

        answer_update(daemon, 7, 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_true(updated.n == 1 && updated.flow == 7 && updated.result == 0);
        answer_update(daemon, 8, -EALREADY);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_true(updated.n == 2 && updated.flow == 8 && updated.result == -EALREADY);
        daemon_send_stop(daemon); /* without an answer */
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_true(updated.n == 3 && updated.flow == 9 && updated.result == -ESTALE);
        assert_int_equal(nx_filter_update_flow(daemon->filter, 9, NX_VERDICT_DROP, NULL, NULL),
                         -ESTALE);
}

static void test_an_answer_to_no_update_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        answer_update(daemon, 7, 0);
        assert_int_equal(daemon_let_work(daemon), -EPROTO);
        assert_non_null(
                strstr(nx_provider_get_error(daemon->provider), "an update that it was not"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, daemon_setup, daemon_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_answers_of_a_round_are_one_datagram),
                TEST(test_a_flow_tells_what_flowd_said),
                TEST(test_userdata_is_of_one_flow),
                TEST(test_an_unattributed_flow_says_nothing_about_its_owner),
                TEST(test_an_origin_is_told_whoever_the_last_hop_is),
                TEST(test_a_paused_flow_is_resumed_at_once_and_only_once),
                TEST(test_a_flow_of_an_earlier_run_is_stale),
                TEST(test_a_paused_flow_that_nobody_kept_is_refused),
                TEST(test_a_verdict_that_is_none_ends_the_provider),
                TEST(test_a_flow_before_the_start_is_a_fault),
                TEST(test_a_flow_is_kept_until_its_last_report),
                TEST(test_each_update_has_one_answer),
                TEST(test_an_answer_to_no_update_is_a_fault),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
