/* SPDX-License-Identifier: Apache-2.0 */

/* A proxy: how it is started, what it is asked about, and what becomes of its flows. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon.h"

/* BEGIN of settings with which no flow is asked about, unless a rule says so. */
static void expect_begin(const struct mail *mail, bool loopback)
{
        assert_int_equal(mail->type, NX_MSG_ENGINE_SETTINGS_BEGIN);
        assert_int_equal(mail->numbers[WIRE_ATTR_ACTION], NX_FILTER_ACTION_ALLOW);
        assert_int_equal(mail->numbers[WIRE_ATTR_LOOPBACK], loopback);
}

static void expect_started(const struct mail *mail, int result)
{
        assert_int_equal(mail->type, NX_MSG_ENGINE_STARTED);
        assert_int_equal((int32_t)mail->numbers[WIRE_ATTR_RESULT], result);
}

/* Starts it, and has what came of that in the inbox: the answer last. */
static void start(struct daemon *daemon)
{
        daemon_start(daemon);
        assert_in_range(daemon_receive_all(daemon, &daemon->engine), 3, INBOX_MAX);
        expect_started(&daemon->inbox[daemon->n_mails - 1], 0);
}

static void ask(struct daemon *daemon, uint64_t flow)
{
        daemon_put_flow(daemon, flow, "/usr/bin/curl");
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(daemon_let_work(daemon), 0);
}

static void test_hello_says_what_it_can_be(void **state)
{
        struct daemon *daemon = *state;

        assert_int_equal(daemon_receive(daemon, &daemon->control), 1);
        assert_int_equal(daemon->inbox[0].numbers[WIRE_ATTR_KINDS],
                         1 << NX_PROVIDER_KIND_TRANSPARENT_PROXY);
}

static void test_hello_says_each_kind(void **state)
{
        struct daemon *daemon = *state;

        assert_int_equal(daemon_receive(daemon, &daemon->control), 1);
        assert_int_equal(daemon->inbox[0].numbers[WIRE_ATTR_KINDS],
                         1 << NX_PROVIDER_KIND_FILTER | 1 << NX_PROVIDER_KIND_TRANSPARENT_PROXY |
                                 1 << NX_PROVIDER_KIND_APP_PROXY);
}

static void test_a_proxy_begins_with_settings_that_ask_nothing(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        assert_int_equal(daemon->n_mails, 3);
        expect_begin(&daemon->inbox[0], false);
        assert_int_equal(daemon->inbox[1].type, NX_MSG_ENGINE_SETTINGS_COMMIT);
        assert_string_equal(daemon->log, "s");
        assert_string_equal(nx_proxy_get_name(daemon->proxy), "session");
}

static void test_a_start_that_fails_says_why(void **state)
{
        struct daemon *daemon = *state;

        daemon->start_result = -ENETDOWN;
        daemon_start(daemon);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 3);
        expect_started(&daemon->inbox[2], -ENETDOWN);
        assert_string_equal(daemon->inbox[2].text, "no upstream");
}

static void test_a_kind_that_it_is_not_is_refused(void **state)
{
        struct daemon *daemon = *state;

        daemon->kind = NX_PROVIDER_KIND_FILTER;
        daemon_start(daemon);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 3);
        expect_started(&daemon->inbox[2], -EPROTONOSUPPORT);
        assert_string_equal(daemon->inbox[2].text,
                            "test-extension is no filter: its struct nx_extension has no "
                            "function for one");
        assert_string_equal(daemon->log, "");

        daemon->kind = NX_PROVIDER_KIND_TRANSPARENT_PROXY;
        start(daemon);
        assert_string_equal(daemon->log, "s");
}

static void test_the_start_chooses_the_table(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        assert_int_equal(daemon->n_mails, 3);
        expect_begin(&daemon->inbox[0], false);
        assert_string_equal(daemon->log, "S");
        ask(daemon, 1); /* of an app proxy without handle_new_flow */
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 1);
        expect_verdict(&daemon->inbox[0], 1, NX_VERDICT_DECLINE);
        assert_string_equal(daemon->log, "S");
}

static void test_one_session_is_one_kind(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        daemon->kind = NX_PROVIDER_KIND_FILTER;
        daemon_start(daemon);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 3);
        expect_started(&daemon->inbox[2], -EPROTONOSUPPORT);
        assert_non_null(strstr(daemon->inbox[2].text, "runs as app-proxy already"));
        assert_string_equal(daemon->log, "S");
}

static void test_files_wait_until_the_kind_is_known(void **state)
{
        struct daemon *daemon = *state;

        daemon->kind = NX_PROVIDER_KIND_TRANSPARENT_PROXY;
        daemon_send_file(daemon, "rules", "old");
        daemon_send_file(daemon, "rules", "new");
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "");
        start(daemon);
        assert_string_equal(daemon->log, "fs");
        assert_string_equal(daemon->file, "new");
        daemon_send_file(daemon, "rules", "newer");
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "fsf");
        assert_string_equal(daemon->file, "newer");
}

static void test_files_that_never_had_a_reader_are_closed(void **state)
{
        struct daemon *daemon = *state;
        int old[2], new[2];
        char byte;

        assert_int_equal(pipe2(old, O_CLOEXEC | O_NONBLOCK), 0);
        assert_int_equal(pipe2(new, O_CLOEXEC | O_NONBLOCK), 0);
        daemon_send_file_fd(daemon, "rules", old[1]);
        daemon_send_file_fd(daemon, "rules", new[1]);
        close(old[1]);
        close(new[1]);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(read(old[0], &byte, 1), 0); /* replaced */
        assert_int_equal(read(new[0], &byte, 1), -1);
        assert_int_equal(errno, EAGAIN);

        daemon->provider = nx_provider_free(daemon->provider);
        assert_int_equal(read(new[0], &byte, 1), 0);
        close(old[0]);
        close(new[0]);
}

static void on_applied(struct nx_proxy *proxy, int result, void *userdata)
{
        struct daemon *daemon = userdata;

        assert_ptr_equal(proxy, daemon->proxy);
        daemon_log(daemon, 'a');
        daemon->applied_result = result;
}

/* Included and excluded in no order, while the proxy starts. */
static void apply_at_start(struct daemon *daemon)
{
        static const struct nx_rule include_1 = { NX_RULE_INIT, .label = "include-1" };
        static const struct nx_rule include_2 = { NX_RULE_INIT, .label = "include-2",
                                                  .direction = NX_DIRECTION_OUTBOUND };
        static const struct nx_rule exclude_1 = { NX_RULE_INIT, .label = "exclude-1" };
        static const struct nx_rule exclude_2 = { NX_RULE_INIT, .label = "exclude-2" };
        struct nx_proxy_settings *settings;

        assert_int_equal(nx_proxy_settings_new(&settings, true), 0);
        assert_int_equal(nx_proxy_settings_include(settings, &include_1), 0);
        assert_int_equal(nx_proxy_settings_exclude(settings, &exclude_1), 0);
        assert_int_equal(nx_proxy_settings_include(settings, &include_2), 0);
        assert_int_equal(nx_proxy_settings_exclude(settings, &exclude_2), 0);
        assert_int_equal(nx_proxy_apply(daemon->proxy, settings, on_applied, daemon), 0);
        nx_proxy_settings_free(settings);
}

static void set_idle_at_start(struct daemon *daemon)
{
        struct nx_proxy_settings *settings;

        assert_int_equal(nx_proxy_settings_new(&settings, true), 0);
        assert_int_equal(nx_proxy_settings_set_udp_idle(settings, NX_UDP_IDLE_MAX + 1), -EINVAL);
        assert_int_equal(nx_proxy_apply(daemon->proxy, settings, on_applied, daemon), 0);
        assert_int_equal(nx_proxy_settings_set_udp_idle(settings, NX_UDP_IDLE_MAX), 0);
        assert_int_equal(nx_proxy_apply(daemon->proxy, settings, on_applied, daemon), 0);
        assert_int_equal(nx_proxy_settings_set_udp_idle(settings, 0), 0);
        assert_int_equal(nx_proxy_apply(daemon->proxy, settings, on_applied, daemon), 0);
        nx_proxy_settings_free(settings);
}

static void test_idle_times_are_minutes_unless_somebody_says_so(void **state)
{
        static const uint64_t seconds[] = { NX_UDP_IDLE_DEFAULT, NX_UDP_IDLE_MAX, 0 };
        struct daemon *daemon = *state;
        const struct mail *mail = daemon->inbox + 2;

        daemon->at_start = set_idle_at_start;
        start(daemon);
        for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
                expect_begin(&mail[2 * i], true);
                assert_int_equal(mail[2 * i].numbers[WIRE_ATTR_UDP_IDLE_S], seconds[i]);
        }
}

static void expect_rule(const struct mail *mail, const char *label, enum nx_filter_action action)
{
        assert_int_equal(mail->type, NX_MSG_ENGINE_SETTINGS_RULE);
        assert_string_equal(mail->label, label);
        assert_int_equal(mail->numbers[WIRE_ATTR_ACTION], action);
}

static void test_what_is_excluded_goes_before_what_is_included(void **state)
{
        struct daemon *daemon = *state;
        const struct mail *mail = daemon->inbox + 2;

        daemon->at_start = apply_at_start;
        start(daemon);
        assert_int_equal(daemon->n_mails, 9);
        expect_begin(mail, true);
        expect_rule(mail + 1, "exclude-1", NX_FILTER_ACTION_ALLOW);
        expect_rule(mail + 2, "exclude-2", NX_FILTER_ACTION_ALLOW);
        expect_rule(mail + 3, "include-1", NX_FILTER_ACTION_FILTER_DATA);
        expect_rule(mail + 4, "include-2", NX_FILTER_ACTION_FILTER_DATA);
        assert_false(mail[3].present & WIRE_HAS(DIRECTION));
        assert_int_equal(mail[4].numbers[WIRE_ATTR_DIRECTION], NX_DIRECTION_OUTBOUND);
        assert_int_equal(mail[5].type, NX_MSG_ENGINE_SETTINGS_COMMIT);
        expect_started(mail + 6, 0);
}

static void test_settings_in_force_replace_the_empty_ones(void **state)
{
        struct daemon *daemon = *state;

        daemon->at_start = apply_at_start;
        start(daemon);
        daemon_send_done(daemon, daemon->inbox[1].id, 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "s");
        daemon_send_done(daemon, daemon->inbox[7].id, 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "sa");

        daemon->at_start = NULL;
        start(daemon); /* a new flowd gets them, and nothing else */
        assert_int_equal(daemon->n_mails, 7);
        expect_rule(&daemon->inbox[1], "exclude-1", NX_FILTER_ACTION_ALLOW);
        assert_string_equal(daemon->log, "sats");
}

static void test_refused_settings_leave_the_empty_ones(void **state)
{
        struct daemon *daemon = *state;

        daemon->at_start = apply_at_start;
        start(daemon);
        daemon_send_done(daemon, daemon->inbox[1].id, 0);
        daemon_send_done(daemon, daemon->inbox[7].id, -ENOSPC);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "sa");
        assert_int_equal(daemon->applied_result, -ENOSPC);

        daemon->at_start = NULL;
        start(daemon);
        assert_int_equal(daemon->n_mails, 3);
        expect_begin(&daemon->inbox[0], false);
}

static void test_rules_that_cannot_be_are_refused(void **state)
{
        static const struct nx_rule inbound = { NX_RULE_INIT, .direction = NX_DIRECTION_INBOUND };
        static const struct nx_rule relative = { NX_RULE_INIT, .program = "curl" };
        static const struct nx_rule good = { NX_RULE_INIT, .label = "good" };
        struct nx_proxy_settings *settings;

        assert_int_equal(nx_proxy_settings_new(&settings, false), 0);
        assert_int_equal(nx_proxy_settings_include(settings, &inbound), -EINVAL);
        assert_int_equal(nx_proxy_settings_exclude(settings, &inbound), -EINVAL);
        assert_int_equal(nx_proxy_settings_include(settings, &relative), -EINVAL);
        assert_int_equal(nx_proxy_settings_include(settings, NULL), -EINVAL);
        for (int i = 0; i < NX_RULES_MAX / 2; i++) {
                assert_int_equal(nx_proxy_settings_include(settings, &good), 0);
                assert_int_equal(nx_proxy_settings_exclude(settings, &good), 0);
        }
        assert_int_equal(nx_proxy_settings_include(settings, &good), -E2BIG);
        assert_int_equal(nx_proxy_settings_exclude(settings, &good), -E2BIG);
        assert_null(nx_proxy_settings_free(settings));
}

static void test_each_verdict_goes_to_flowd(void **state)
{
        static const enum nx_verdict verdicts[] = { NX_VERDICT_CLAIM, NX_VERDICT_DECLINE,
                                                    NX_VERDICT_DROP, NX_VERDICT_REFUSE };
        struct daemon *daemon = *state;

        start(daemon);
        for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
                daemon->verdict = verdicts[i];
                ask(daemon, i + 1);
                assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
                expect_verdict(&daemon->inbox[0], i + 1, verdicts[i]);
        }
        assert_string_equal(daemon->log, "snnnn");
}

static void test_a_filters_verdict_is_none_of_a_proxy(void **state)
{
        struct daemon *daemon = *state;

        start(daemon);
        daemon->verdict = NX_VERDICT_ALLOW;
        daemon_put_flow(daemon, 1, NULL);
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(daemon_let_work(daemon), -EPROTO);
        assert_string_equal(nx_provider_get_error(daemon->provider),
                            "handle_new_flow returned 1; a verdict is CLAIM, DECLINE, DROP, REFUSE, "
                            "PEEK or PAUSE");
        assert_string_equal(daemon->log, "snt");
}

static void pause_one(struct daemon *daemon, uint64_t flow)
{
        nx_flow_unref(daemon->kept);
        daemon->verdict = NX_VERDICT_PAUSE;
        daemon->keeps = true;
        ask(daemon, flow);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
        expect_verdict(&daemon->inbox[0], flow, NX_VERDICT_PAUSE);
}

static void test_a_paused_flow_is_resumed_with_a_proxys_verdict(void **state)
{
        static const enum nx_verdict verdicts[] = { NX_VERDICT_CLAIM, NX_VERDICT_DECLINE,
                                                    NX_VERDICT_DROP, NX_VERDICT_REFUSE };
        struct daemon *daemon = *state;

        start(daemon);
        for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
                pause_one(daemon, i + 1);
                assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_ALLOW), -EINVAL);
                assert_int_equal(nx_flow_resume(daemon->kept, NX_VERDICT_PAUSE), -EINVAL);
                assert_int_equal(nx_flow_resume(daemon->kept, verdicts[i]), 0);
                assert_int_equal(nx_flow_resume(daemon->kept, verdicts[i]), -EALREADY);
                assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
                expect_verdict(&daemon->inbox[0], i + 1, verdicts[i]);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, daemon_setup_proxy, daemon_teardown)
#define TEST_OF_EACH_KIND(name)                                                                    \
        cmocka_unit_test_setup_teardown(name, daemon_setup_each_kind, daemon_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_hello_says_what_it_can_be),
                TEST_OF_EACH_KIND(test_hello_says_each_kind),
                TEST(test_a_proxy_begins_with_settings_that_ask_nothing),
                TEST(test_a_start_that_fails_says_why),
                TEST(test_a_kind_that_it_is_not_is_refused),
                TEST_OF_EACH_KIND(test_the_start_chooses_the_table),
                TEST_OF_EACH_KIND(test_one_session_is_one_kind),
                TEST_OF_EACH_KIND(test_files_wait_until_the_kind_is_known),
                TEST_OF_EACH_KIND(test_files_that_never_had_a_reader_are_closed),
                TEST(test_idle_times_are_minutes_unless_somebody_says_so),
                TEST(test_what_is_excluded_goes_before_what_is_included),
                TEST(test_settings_in_force_replace_the_empty_ones),
                TEST(test_refused_settings_leave_the_empty_ones),
                cmocka_unit_test(test_rules_that_cannot_be_are_refused),
                TEST(test_each_verdict_goes_to_flowd),
                TEST(test_a_filters_verdict_is_none_of_a_proxy),
                TEST(test_a_paused_flow_is_resumed_with_a_proxys_verdict),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
