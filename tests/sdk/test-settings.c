/* SPDX-License-Identifier: Apache-2.0 */

/* Settings: what is refused when it is added, what is sent, and what survives flowd. */

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/endpoint.h"
#include "daemon.h"

static struct nx_filter_settings *new_settings(void)
{
        struct nx_filter_settings *settings;

        assert_int_equal(nx_filter_settings_new(&settings, NX_FILTER_ACTION_FILTER_DATA, false), 0);
        return settings;
}

#define RULE(...)                                                                                  \
        {                                                                                          \
                NX_RULE_INIT, __VA_ARGS__                 \
        }

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_what_does_not_parse_is_refused(void **state)
{
        static const struct nx_rule bad[] = {
                {},
                RULE(.direction = (enum nx_direction)3),
                RULE(.protocol = IPPROTO_SCTP),
                RULE(.program = "curl"),
                RULE(.program = ""),
                RULE(.remote_network = ""),
                RULE(.remote_network = "198.18.0.0/33"),
                RULE(.remote_network = "198.18.0.0/"),
                RULE(.remote_network = "198.18.0.0/-1"),
                RULE(.remote_network = "198.18.0.0/0024"),
                RULE(.remote_network = "fd00::/129"),
                RULE(.remote_network = "example.org"),
                RULE(.remote_domain = ""),
                RULE(.remote_domain = "."),
                RULE(.remote_domain = "a..b"),
                RULE(.remote_domain = ".org"),
                RULE(.remote_domain = "exa mple.org"),
                RULE(.remote_domain = "b\xc3\xbc" "cher.example"),
                RULE(.cgroup = ""),
                RULE(.cgroup = "/"),
                RULE(.cgroup = "system.slice"),
                RULE(.cgroup = "/system.slice/"),
                RULE(.cgroup = "//system.slice"),
                RULE(.cgroup = "/1/2/3/4/5/6/7/8/9/10/11/12/13"),
                RULE(.started_by = ""),
                RULE(.started_by = "git"),
                RULE(.signer = ""),
                RULE(.signer = "EXAM_PLE"),
                RULE(.signer = "EXAMPLE."),
                RULE(.signer = ".com.example"),
                RULE(.signer = "EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-X"),
                RULE(.unit = ""),
                RULE(.unit = "ssh"),
                RULE(.unit = ".service"),
                RULE(.unit = "system.slice"),
                RULE(.unit = "system.slice/ssh.service"),
                RULE(.digest = ""),
                RULE(.digest = "sha256:"),
                RULE(.digest = DIGITS),
                RULE(.digest = "sha1:" DIGITS),
                RULE(.digest = "sha256:" DIGITS "0"),
                RULE(.digest = "sha256:"
                               "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"),
                RULE(.remote_set = ""),
                RULE(.remote_set = "OS Update"),
                RULE(.remote_set = "os-update", .remote_network = "fd00::/8"),
                RULE(.remote_set = "os-update", .remote_domain = "example.org"),
                RULE(.remote_port_first = 2, .remote_port_last = 1),
                RULE(.direction = NX_DIRECTION_INBOUND, .local_network = ""),
                RULE(.direction = NX_DIRECTION_INBOUND, .local_network = "198.18.0.0/33"),
                RULE(.direction = NX_DIRECTION_INBOUND, .local_port_first = 2, .local_port_last = 1),
                RULE(.local_network = "198.18.0.1"),
                RULE(.local_port_first = 80),
                RULE(.direction = NX_DIRECTION_OUTBOUND, .local_network = "198.18.0.1"),
                RULE(.direction = NX_DIRECTION_OUTBOUND, .local_port_last = 80),
                RULE(.label = "1234567890123456789012345678901234567890123456789012345678901234"),
        };
        static const struct nx_rule good = RULE();
        struct nx_filter_settings *settings = new_settings();

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(nx_filter_settings_add_rule(settings, NX_FILTER_ACTION_ALLOW, &bad[i]),
                                 -EINVAL);
        assert_int_equal(nx_filter_settings_add_rule(settings, (enum nx_filter_action)3, &good),
                         -EINVAL);
        nx_filter_settings_free(settings);
        assert_int_equal(nx_filter_settings_new(&settings, (enum nx_filter_action)3, false),
                         -EINVAL);
}

static void test_rules_are_bounded(void **state)
{
        static const struct nx_rule rule = RULE(.remote_port_first = 1);
        struct nx_filter_settings *settings = new_settings();

        for (int i = 0; i < NX_RULES_MAX; i++)
                assert_int_equal(nx_filter_settings_add_rule(settings, NX_FILTER_ACTION_ALLOW, &rule), 0);
        assert_int_equal(nx_filter_settings_add_rule(settings, NX_FILTER_ACTION_ALLOW, &rule), -E2BIG);
        nx_filter_settings_free(settings);
}

static void on_applied(struct nx_filter *filter, int result, void *userdata)
{
        struct daemon *daemon = userdata;

        daemon_log(daemon, 'A');
        daemon->applied_result = result;
}

/* Starts the filter, applies the rule, and has BEGIN, RULE and COMMIT in the inbox. */
static const struct mail *apply(struct daemon *daemon, enum nx_filter_action action,
                                const struct nx_rule *rule)
{
        struct nx_filter_settings *settings = new_settings();

        daemon_start(daemon);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 1);
        assert_int_equal(nx_filter_settings_add_rule(settings, action, rule), 0);
        assert_int_equal(nx_filter_apply(daemon->filter, settings, on_applied, daemon), 0);
        nx_filter_settings_free(settings);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 3);
        assert_int_equal(daemon->inbox[0].type, NX_MSG_ENGINE_SETTINGS_BEGIN);
        assert_int_equal(daemon->inbox[1].type, NX_MSG_ENGINE_SETTINGS_RULE);
        assert_int_equal(daemon->inbox[2].type, NX_MSG_ENGINE_SETTINGS_COMMIT);
        return &daemon->inbox[1];
}

static void test_a_full_rule_is_sent_with_all_it_says(void **state)
{
        struct nx_rule rule = {
                NX_RULE_INIT,
                .direction = NX_DIRECTION_OUTBOUND,
                .protocol = IPPROTO_UDP,
                .program = "/usr/bin/dig",
                .remote_network = "198.18.7.9/24",
                .remote_domain = "Example.ORG.",
                .remote_port_first = 53,
                .label = "rules:12",
        };
        struct daemon *daemon = *state;
        const struct mail *mail;
        char text[INET6_ADDRSTRLEN];

        rule.user = 0;
        mail = apply(daemon, NX_FILTER_ACTION_DROP, &rule);
        assert_int_equal(daemon->inbox[0].numbers[WIRE_ATTR_ACTION], NX_FILTER_ACTION_FILTER_DATA);
        assert_int_equal(daemon->inbox[0].numbers[WIRE_ATTR_LOOPBACK], 0);
        assert_int_equal(mail->numbers[WIRE_ATTR_ACTION], NX_FILTER_ACTION_DROP);
        assert_int_equal(mail->numbers[WIRE_ATTR_DIRECTION], NX_DIRECTION_OUTBOUND);
        assert_int_equal(mail->numbers[WIRE_ATTR_PROTOCOL], IPPROTO_UDP);
        assert_true(mail->present & WIRE_HAS(UID));
        assert_int_equal(mail->numbers[WIRE_ATTR_UID], 0);
        assert_string_equal(address_to_string(&mail->remote_address, text), "198.18.7.0");
        assert_int_equal(mail->numbers[WIRE_ATTR_REMOTE_PREFIX], 120);
        assert_int_equal(mail->numbers[WIRE_ATTR_PORT_FIRST], 53);
        assert_int_equal(mail->numbers[WIRE_ATTR_PORT_LAST], 53);
        assert_string_equal(mail->program, "/usr/bin/dig");
        assert_string_equal(mail->domain, "example.org");
        assert_string_equal(mail->label, "rules:12");
}

static void test_an_inbound_rule_is_sent_with_both_ends(void **state)
{
        static const struct nx_rule rule = RULE(.direction = NX_DIRECTION_INBOUND,
                                                .remote_port_first = 53,
                                                .local_network = "198.18.7.9/24",
                                                .local_port_first = 80);
        const struct mail *mail = apply(*state, NX_FILTER_ACTION_DROP, &rule);
        char text[INET6_ADDRSTRLEN];

        assert_int_equal(mail->numbers[WIRE_ATTR_PORT_FIRST], 53);
        assert_string_equal(address_to_string(&mail->local_address, text), "198.18.7.0");
        assert_int_equal(mail->numbers[WIRE_ATTR_LOCAL_PREFIX], 120);
        assert_int_equal(mail->numbers[WIRE_ATTR_LOCAL_PORT_FIRST], 80);
        assert_int_equal(mail->numbers[WIRE_ATTR_LOCAL_PORT_LAST], 80);
        assert_false(mail->present & (WIRE_HAS(REMOTE_ADDRESS) | WIRE_HAS(REMOTE_PREFIX)));
}

static void test_an_empty_rule_says_only_its_action(void **state)
{
        static const struct nx_rule rule = RULE(.label = NULL);
        const struct mail *mail = apply(*state, NX_FILTER_ACTION_ALLOW, &rule);

        assert_int_equal(mail->present, WIRE_HAS(ACTION));
}

static void test_a_set_is_sent_by_its_name(void **state)
{
        static const struct nx_rule rule = RULE(.remote_set = "os-update");
        const struct mail *mail = apply(*state, NX_FILTER_ACTION_ALLOW, &rule);

        assert_int_equal(mail->present, WIRE_HAS(ACTION) | WIRE_HAS(NAME));
        assert_string_equal(mail->name, "os-update");
}

static void test_a_digest_is_sent_as_it_is_written(void **state)
{
        static const struct nx_rule rule = RULE(.digest = "sha256:" DIGITS);
        const struct mail *mail = apply(*state, NX_FILTER_ACTION_ALLOW, &rule);

        assert_true(mail->present == (WIRE_HAS(ACTION) | WIRE_HAS(PROGRAM_DIGEST)));
        assert_string_equal(mail->digest, "sha256:" DIGITS);
}

static void test_who_started_it_is_sent_by_its_path(void **state)
{
        static const struct nx_rule rule = RULE(.started_by = "/usr/bin/git");
        const struct mail *mail = apply(*state, NX_FILTER_ACTION_ALLOW, &rule);

        assert_true(mail->present == (WIRE_HAS(ACTION) | WIRE_HAS(STARTED_BY)));
}

static void test_a_signer_is_sent_as_it_is_written(void **state)
{
        static const struct nx_rule rule = RULE(.signer = "EXAMPLE.com.example.filter");
        const struct mail *mail = apply(*state, NX_FILTER_ACTION_ALLOW, &rule);

        assert_true(mail->present == (WIRE_HAS(ACTION) | WIRE_HAS(SIGNER)));
        assert_string_equal(mail->signer, "EXAMPLE.com.example.filter");
}

static void test_a_unit_is_sent_by_its_name(void **state)
{
        static const struct nx_rule rule = RULE(.unit = "user@1000.service");
        const struct mail *mail = apply(*state, NX_FILTER_ACTION_ALLOW, &rule);

        assert_true(mail->present == (WIRE_HAS(ACTION) | WIRE_HAS(UNIT)));
}

static void test_a_cgroup_is_sent_by_its_path(void **state)
{
        static const struct nx_rule rule = RULE(.cgroup = "/1/2/3/4/5/6/7/8/9/10/11/12");
        const struct mail *mail = apply(*state, NX_FILTER_ACTION_ALLOW, &rule);

        assert_int_equal(mail->present, WIRE_HAS(ACTION) | WIRE_HAS(CGROUP));
}

static void test_ipv6_networks_keep_their_prefix(void **state)
{
        static const struct nx_rule rule = RULE(.remote_network = "fd00::/8",
                                                       .remote_port_last = 1023);
        const struct mail *mail = apply(*state, NX_FILTER_ACTION_ALLOW, &rule);

        assert_int_equal(mail->numbers[WIRE_ATTR_REMOTE_PREFIX], 8);
        assert_int_equal(mail->numbers[WIRE_ATTR_PORT_FIRST], 0);
        assert_int_equal(mail->numbers[WIRE_ATTR_PORT_LAST], 1023);
}

static void test_the_answer_reaches_the_caller_once(void **state)
{
        static const struct nx_rule rule = RULE(.label = "x");
        struct daemon *daemon = *state;
        uint64_t id = apply(daemon, NX_FILTER_ACTION_ALLOW, &rule)[1].id;

        daemon_send_done(daemon, id, -ENOSPC);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "sA");
        assert_int_equal(daemon->applied_result, -ENOSPC);

        daemon_send_done(daemon, id, 0);
        assert_int_equal(daemon_let_work(daemon), -EPROTO);
}

static void test_what_is_in_force_goes_to_a_new_flowd(void **state)
{
        static const struct nx_rule rule = RULE(.label = "kept");
        struct daemon *daemon = *state;

        daemon_send_done(daemon, apply(daemon, NX_FILTER_ACTION_ALLOW, &rule)[1].id, 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        daemon_start(daemon);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 3);
        assert_string_equal(daemon->inbox[1].label, "kept");
        daemon_receive(daemon, &daemon->engine);
        assert_int_equal(daemon->inbox[0].type, NX_MSG_ENGINE_STARTED);
        assert_string_equal(daemon->log, "sAts"); /* and the caller is not told twice */
}

static void test_what_flowd_refused_is_not_sent_again(void **state)
{
        static const struct nx_rule rule = RULE(.label = "bad");
        struct daemon *daemon = *state;

        daemon_send_done(daemon, apply(daemon, NX_FILTER_ACTION_ALLOW, &rule)[1].id, -EINVAL);
        assert_int_equal(daemon_let_work(daemon), 0);
        daemon_start(daemon);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 1);
        assert_int_equal(daemon->inbox[0].type, NX_MSG_ENGINE_STARTED);
}

static void test_settings_wait_for_the_first_channel(void **state)
{
        struct daemon *daemon = *state;

        daemon->applies_in_file = true;
        daemon_send_file(daemon, "rules", "allow all");
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->file, "allow all");
        daemon_start(daemon);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 2);
        assert_int_equal(daemon->inbox[0].numbers[WIRE_ATTR_LOOPBACK], 1);
        daemon_send_done(daemon, daemon->inbox[1].id, 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "fsa");
}

static void test_a_slow_flowd_gets_every_rule(void **state)
{
        struct nx_rule rule = RULE(.program = NULL);
        struct nx_filter_settings *settings = new_settings();
        struct daemon *daemon = *state;
        size_t n_rules = 0;
        char program[1000];

        memset(program, 'x', sizeof(program));
        program[0] = '/';
        program[sizeof(program) - 1] = '\0';
        rule.program = program;
        daemon_start(daemon);
        for (int i = 0; i < NX_RULES_MAX; i++)
                assert_int_equal(nx_filter_settings_add_rule(settings, NX_FILTER_ACTION_ALLOW, &rule), 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(nx_filter_apply(daemon->filter, settings, NULL, NULL), 0);
        nx_filter_settings_free(settings);

        for (int idle = 0; idle < 3; idle++) {
                while (daemon_receive(daemon, &daemon->engine) > 0) {
                        idle = 0;
                        for (size_t i = 0; i < daemon->n_mails; i++)
                                n_rules += daemon->inbox[i].type == NX_MSG_ENGINE_SETTINGS_RULE;
                }
                assert_int_equal(daemon_let_work(daemon), 0);
        }
        assert_int_equal(n_rules, 3 * NX_RULES_MAX);
}

static void test_pending_settings_are_bounded_and_cancelled(void **state)
{
        struct nx_filter_settings *settings = new_settings();
        struct daemon *daemon = *state;
        int n_taken = 0;

        daemon_start(daemon);
        while (nx_filter_apply(daemon->filter, settings, on_applied, daemon) == 0)
                n_taken++;
        nx_filter_settings_free(settings);
        assert_in_range(n_taken, 8, 40);
        daemon->provider = nx_provider_free(daemon->provider);
        assert_int_equal(strlen(daemon->log), 2 + n_taken); /* started, stopped, each one told */
        assert_int_equal(daemon->applied_result, -ECANCELED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, daemon_setup, daemon_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_does_not_parse_is_refused),
                cmocka_unit_test(test_rules_are_bounded),
                TEST(test_a_full_rule_is_sent_with_all_it_says),
                TEST(test_an_inbound_rule_is_sent_with_both_ends),
                TEST(test_an_empty_rule_says_only_its_action),
                TEST(test_a_set_is_sent_by_its_name),
                TEST(test_a_digest_is_sent_as_it_is_written),
                TEST(test_who_started_it_is_sent_by_its_path),
                TEST(test_a_signer_is_sent_as_it_is_written),
                TEST(test_a_unit_is_sent_by_its_name),
                TEST(test_a_cgroup_is_sent_by_its_path),
                TEST(test_ipv6_networks_keep_their_prefix),
                TEST(test_the_answer_reaches_the_caller_once),
                TEST(test_what_is_in_force_goes_to_a_new_flowd),
                TEST(test_what_flowd_refused_is_not_sent_again),
                TEST(test_settings_wait_for_the_first_channel),
                TEST(test_a_slow_flowd_gets_every_rule),
                TEST(test_pending_settings_are_bounded_and_cancelled),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
