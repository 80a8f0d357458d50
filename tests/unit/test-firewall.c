/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The firewall extension as a process of its own, with this test at the other ends of its
 * channels: what it makes of rule files, and what it tells about them. argv[1] is its
 * executable.
 */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>

#include <netext/extension.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "wire/channel.h"

#define PATIENCE_NS 5000000000ULL
#define RULE_FILE   "/etc/netext/web.rules"

static const char *firewall_path;

struct heard {
        enum wire_message_type type; /* 0 once it was expected */
        uint64_t id, count;
        int32_t result;
        unsigned int action, port_first, port_last;
        bool loopback;
        unsigned int verdict, timeout_ms;
        char text[WIRE_STRING_MAX], domain[WIRE_STRING_MAX], rule[WIRE_STRING_MAX];
};

struct firewall {
        pid_t pid;
        struct channel control, flows;
        struct heard heard[64];
        size_t n_heard;
};

static void run_firewall(int control_fd)
{
        if (dup2(control_fd, 3) < 0 || setenv("NETEXT_CONTROL_FD", "3", 1) < 0 ||
            setenv("NETEXT_EXTENSION_SOCKET", "/nonexistent/netext", 1) < 0)
                _exit(127);
        execl(firewall_path, "firewall", NULL);
        _exit(127);
}

static int set_up(void **state)
{
        struct firewall *firewall = calloc(1, sizeof(*firewall));
        int fds[2];

        *state = firewall;
        firewall->control = firewall->flows = (struct channel)CHANNEL_NULL;
        if (channel_pair(fds) < 0 || channel_init(&firewall->control, fds[0]) < 0)
                return -1;
        firewall->pid = fork();
        if (firewall->pid == 0)
                run_firewall(fds[1]);
        close_fd(fds[1]);
        return firewall->pid < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
        struct firewall *firewall = *state;

        channel_deinit(&firewall->flows);
        channel_deinit(&firewall->control);
        kill(firewall->pid, SIGKILL);
        waitpid(firewall->pid, NULL, 0);
        free(firewall);
        return 0;
}

static int hear(const struct wire_message *message, int *fd, void *userdata)
{
        struct firewall *firewall = userdata;
        struct heard *heard = &firewall->heard[firewall->n_heard++];
        const char *label = wire_get_string(message, WIRE_ATTR_LABEL);
        const char *text = wire_get_string(message, WIRE_ATTR_TEXT);
        const char *domain = wire_get_string(message, WIRE_ATTR_DOMAIN);
        const char *rule = wire_get_string(message, WIRE_ATTR_RULE);

        assert_in_range(firewall->n_heard, 1, ARRAY_SIZE(firewall->heard));
        *heard = (struct heard){
                .type = message->type,
                .id = message->id,
                .count = wire_get(message, WIRE_ATTR_COUNT),
                .result = wire_get_i32(message, WIRE_ATTR_RESULT),
                .action = (unsigned int)wire_get(message, WIRE_ATTR_ACTION),
                .port_first = (unsigned int)wire_get(message, WIRE_ATTR_PORT_FIRST),
                .port_last = (unsigned int)wire_get(message, WIRE_ATTR_PORT_LAST),
                .loopback = wire_get(message, WIRE_ATTR_LOOPBACK),
                .verdict = (unsigned int)wire_get(message, WIRE_ATTR_VERDICT),
                .timeout_ms = (unsigned int)wire_get(message, WIRE_ATTR_TIMEOUT_MS),
        };
        snprintf(heard->text, sizeof(heard->text), "%s", text ? text : label ? label : "");
        snprintf(heard->rule, sizeof(heard->rule), "%s", rule ? rule : "");
        snprintf(heard->domain, sizeof(heard->domain), "%s", domain ? domain : "");
        return 0;
}

static const struct heard *take_heard(struct firewall *firewall, enum wire_message_type type)
{
        for (size_t i = 0; i < firewall->n_heard; i++) {
                if (firewall->heard[i].type == type) {
                        firewall->heard[i].type = 0;
                        return &firewall->heard[i];
                }
        }
        return NULL;
}

/* The next message of this type, which may be a while in coming. */
static const struct heard *expect(struct firewall *firewall, enum wire_message_type type)
{
        uint64_t deadline = now_ns() + PATIENCE_NS;
        const struct heard *heard;

        while (!(heard = take_heard(firewall, type))) {
                struct pollfd fds[] = {
                        { .fd = firewall->control.fd, .events = POLLIN },
                        { .fd = firewall->flows.fd, .events = POLLIN },
                };

                if (now_ns() > deadline)
                        fail_msg("no %s came", wire_message_info(type)->name);
                assert_return_code(poll(fds, ARRAY_SIZE(fds), 100), errno);
                if (fds[0].revents)
                        assert_int_equal(channel_receive(&firewall->control, hear, firewall), 0);
                if (fds[1].revents)
                        assert_int_equal(channel_receive(&firewall->flows, hear, firewall), 0);
        }
        return heard;
}

static void give(struct firewall *firewall, const char *name, const char *text)
{
        _cleanup_fd_ int fd = memfd_create("rules", MFD_CLOEXEC);
        struct wire_writer *writer;

        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        writer = channel_begin(&firewall->control, NX_MSG_EXTENSION_FILE, 0);
        wire_put_string(writer, WIRE_ATTR_SESSION_NAME, "firewall");
        wire_put_string(writer, WIRE_ATTR_NAME, name);
        wire_put_string(writer, WIRE_ATTR_TEXT, RULE_FILE);
        assert_int_equal(channel_end_with_copy(&firewall->control, fd), 0);
        assert_int_equal(channel_flush(&firewall->control), 0);
}

static void give_file(struct firewall *firewall, const char *text)
{
        give(firewall, "rules", text);
}

static void start(struct firewall *firewall)
{
        struct wire_writer *writer;
        int fds[2];

        assert_int_equal(channel_pair(fds), 0);
        assert_int_equal(channel_init(&firewall->flows, fds[0]), 0);
        writer = channel_begin(&firewall->control, NX_MSG_EXTENSION_CHANNEL, 0);
        wire_put_string(writer, WIRE_ATTR_NAME, "firewall");
        assert_int_equal(channel_end_with_fd(&firewall->control, fds[1]), 0);
        assert_int_equal(channel_flush(&firewall->control), 0);
        writer = channel_begin(&firewall->flows, NX_MSG_PROVIDER_START, 0);
        wire_put(writer, WIRE_ATTR_VERSION, WIRE_VERSION);
        wire_put_string(writer, WIRE_ATTR_NAME, "firewall");
        wire_put(writer, WIRE_ATTR_KIND, NX_PROVIDER_KIND_FILTER);
        assert_int_equal(channel_end(&firewall->flows), 0);
        assert_int_equal(channel_flush(&firewall->flows), 0);
}

static void answer(struct firewall *firewall, uint64_t id, int result)
{
        struct wire_writer *writer;

        writer = channel_begin(&firewall->flows, NX_MSG_PROVIDER_SETTINGS_DONE, id);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        assert_int_equal(channel_end(&firewall->flows), 0);
        assert_int_equal(channel_flush(&firewall->flows), 0);
}

static void expect_report(struct firewall *firewall, enum nx_level level, const char *text)
{
        const struct heard *report = expect(firewall, NX_MSG_MANAGER_EXTENSION_REPORT);

        assert_string_equal(report->text, text);
        assert_int_equal(report->count, level);
}

static void expect_started(struct firewall *firewall, int result, const char *text)
{
        const struct heard *started = expect(firewall, NX_MSG_ENGINE_STARTED);

        assert_string_equal(started->text, text);
        assert_int_equal(started->result, result);
}

static void test_rules_become_settings(void **state)
{
        struct firewall *firewall = *state;
        const struct heard *heard;
        uint64_t id;

        give_file(firewall, "# the web\n"
                            "allow port 80-443\n"
                            "default deny\n"
                            "deny to Tracker.example\n"
                            "loopback include\n");
        start(firewall);
        heard = expect(firewall, NX_MSG_ENGINE_SETTINGS_BEGIN);
        id = heard->id;
        assert_int_equal(heard->action, NX_FILTER_ACTION_DROP);
        assert_true(heard->loopback);
        heard = expect(firewall, NX_MSG_ENGINE_SETTINGS_RULE);
        assert_int_equal(heard->action, NX_FILTER_ACTION_ALLOW);
        assert_int_equal(heard->port_first, 80);
        assert_int_equal(heard->port_last, 443);
        assert_string_equal(heard->text, "web.rules:2");
        heard = expect(firewall, NX_MSG_ENGINE_SETTINGS_RULE);
        assert_int_equal(heard->action, NX_FILTER_ACTION_DROP);
        assert_string_equal(heard->domain, "tracker.example");
        assert_string_equal(heard->text, "web.rules:4");
        assert_int_equal(expect(firewall, NX_MSG_ENGINE_SETTINGS_COMMIT)->id, id);
        expect_started(firewall, 0, "");
        answer(firewall, id, 0);
        expect_report(firewall, NX_LEVEL_INFO, "2 rules in force");
}

static void ask(struct firewall *firewall, const char *rule)
{
        struct in6_addr address = { .s6_addr = { 0xfd, [15] = 1 } };
        struct wire_writer *writer;

        writer = channel_begin(&firewall->flows, NX_MSG_PROVIDER_FLOW_NEW, 0);
        wire_put(writer, WIRE_ATTR_FLOW, 1);
        wire_put(writer, WIRE_ATTR_PROTOCOL, IPPROTO_TCP);
        wire_put(writer, WIRE_ATTR_DIRECTION, NX_DIRECTION_OUTBOUND);
        wire_put(writer, WIRE_ATTR_OWNER, WIRE_OWNER_UNATTRIBUTED);
        wire_put_address(writer, WIRE_ATTR_LOCAL_ADDRESS, &address);
        wire_put(writer, WIRE_ATTR_LOCAL_PORT, 40000);
        wire_put_address(writer, WIRE_ATTR_REMOTE_ADDRESS, &address);
        wire_put(writer, WIRE_ATTR_REMOTE_PORT, 80);
        wire_put_string(writer, WIRE_ATTR_RULE, rule);
        assert_int_equal(channel_end(&firewall->flows), 0);
        assert_int_equal(channel_flush(&firewall->flows), 0);
}

static void test_people_are_asked_where_a_rule_says_so(void **state)
{
        struct firewall *firewall = *state;
        const struct heard *question;

        give_file(firewall, "ask port 80\nask-timeout 7\n");
        start(firewall);
        assert_int_equal(expect(firewall, NX_MSG_ENGINE_SETTINGS_RULE)->action,
                         NX_FILTER_ACTION_FILTER_DATA);
        expect_started(firewall, 0, "");
        ask(firewall, "web.rules:1");
        assert_int_equal(expect(firewall, NX_MSG_ENGINE_VERDICT)->verdict, NX_VERDICT_PAUSE);
        question = expect(firewall, NX_MSG_MANAGER_QUESTION);
        assert_string_equal(question->rule, "web.rules:1");
        assert_int_equal(question->timeout_ms, 7000);
        ask(firewall, NULL); /* its rules were not taken */
        assert_int_equal(expect(firewall, NX_MSG_ENGINE_VERDICT)->verdict, NX_VERDICT_REFUSE);
}

static void test_start_without_file(void **state)
{
        struct firewall *firewall = *state;

        start(firewall);
        expect_started(firewall, -EINVAL,
                       "the firewall has no rules: give it some with --rules FILE, see "
                       "netext-rules(5)");
}

static void test_start_with_problems(void **state)
{
        struct firewall *firewall = *state;

        give_file(firewall, "deny\ndeny port x\ndefault maybe\n");
        start(firewall);
        expect_started(firewall, -EINVAL,
                       RULE_FILE ":2:11: 'x' is not a port: expected a number from 1 to 65535, or "
                                 "a range such as 1000-2000 (the first of 2 problems)");
        expect_report(firewall, NX_LEVEL_ERROR,
                      RULE_FILE ":2:11: 'x' is not a port: expected a number from 1 to 65535, or "
                                "a range such as 1000-2000");
        expect_report(firewall, NX_LEVEL_ERROR,
                      RULE_FILE ":3:9: 'maybe' is not an action: expected allow, deny or ask");
        assert_null(take_heard(firewall, NX_MSG_ENGINE_SETTINGS_BEGIN));
}

static void test_reload(void **state)
{
        struct firewall *firewall = *state;

        give_file(firewall, "deny\n");
        start(firewall);
        expect_started(firewall, 0, "");
        answer(firewall, expect(firewall, NX_MSG_ENGINE_SETTINGS_COMMIT)->id, 0);
        expect_report(firewall, NX_LEVEL_INFO, "1 rules in force");

        give_file(firewall, "default maybe\n");
        expect_report(firewall, NX_LEVEL_ERROR,
                      RULE_FILE
                      ":1:9: 'maybe' is not an action: expected allow, deny or ask; the old "
                      "rules stay in force");
        give_file(firewall, "deny user no-such-user\n");
        assert_non_null(strstr(expect(firewall, NX_MSG_MANAGER_EXTENSION_REPORT)->text,
                               RULE_FILE ":1:11: 'no-such-user' is not a user"));
        assert_int_equal(firewall->heard[firewall->n_heard - 1].count, NX_LEVEL_ERROR);

        give_file(firewall, "allow\ndeny\n");
        answer(firewall, expect(firewall, NX_MSG_ENGINE_SETTINGS_COMMIT)->id, 0);
        expect_report(firewall, NX_LEVEL_INFO, "2 rules in force");
        give_file(firewall, "");
        answer(firewall, expect(firewall, NX_MSG_ENGINE_SETTINGS_COMMIT)->id, -ENOMEM);
        expect_report(firewall, NX_LEVEL_ERROR,
                      RULE_FILE ": the rules could not be put in force: Cannot allocate memory; "
                                "all stays as it was");
}

/* Whatever changed of packages, the rules are looked up again: those in force. */
static void test_packages_change(void **state)
{
        struct firewall *firewall = *state;

        give(firewall, "packages", "Package: curl\n");
        give_file(firewall, "deny port 25\n");
        start(firewall);
        expect_started(firewall, 0, "");
        answer(firewall, expect(firewall, NX_MSG_ENGINE_SETTINGS_COMMIT)->id, 0);
        assert_int_equal(expect(firewall, NX_MSG_ENGINE_SETTINGS_RULE)->port_first, 25);
        expect_report(firewall, NX_LEVEL_INFO, "1 rules in force");
        give_file(firewall, "x\n");
        expect(firewall, NX_MSG_MANAGER_EXTENSION_REPORT);

        give(firewall, "packages", "Package: curl\nVersion: 2\n");
        answer(firewall, expect(firewall, NX_MSG_ENGINE_SETTINGS_COMMIT)->id, 0);
        assert_int_equal(expect(firewall, NX_MSG_ENGINE_SETTINGS_RULE)->port_first, 25);
        expect_report(firewall, NX_LEVEL_INFO, "1 rules in force");
}

/* A new flow engine is given the rules again, although the file has a problem by now. */
static void test_restarted_engine(void **state)
{
        struct firewall *firewall = *state;

        give_file(firewall, "deny port 25\n");
        start(firewall);
        expect_started(firewall, 0, "");
        answer(firewall, expect(firewall, NX_MSG_ENGINE_SETTINGS_COMMIT)->id, 0);
        assert_string_equal(expect(firewall, NX_MSG_ENGINE_SETTINGS_RULE)->text, "web.rules:1");
        expect_report(firewall, NX_LEVEL_INFO, "1 rules in force");
        give_file(firewall, "x\n");
        expect(firewall, NX_MSG_MANAGER_EXTENSION_REPORT);

        channel_deinit(&firewall->flows);
        start(firewall);
        expect_started(firewall, 0, "");
        expect(firewall, NX_MSG_ENGINE_SETTINGS_COMMIT);
        assert_int_equal(expect(firewall, NX_MSG_ENGINE_SETTINGS_RULE)->port_first, 25);
}

#define firewall_test(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(int argc, char **argv)
{
        static const struct CMUnitTest tests[] = {
                firewall_test(test_people_are_asked_where_a_rule_says_so),
                firewall_test(test_rules_become_settings),
                firewall_test(test_start_without_file),
                firewall_test(test_start_with_problems),
                firewall_test(test_reload),
                firewall_test(test_packages_change),
                firewall_test(test_restarted_engine),
        };

        if (argc < 2) {
                fprintf(stderr, "usage: %s FIREWALL\n", argv[0]);
                return 2;
        }
        firewall_path = argv[1];
        return cmocka_run_group_tests_name("firewall", tests, NULL, NULL);
}
