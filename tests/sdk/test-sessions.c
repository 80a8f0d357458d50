/* SPDX-License-Identifier: Apache-2.0 */

/* Any number of sessions in one process: each has its name, kind and flow channel. */

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon.h"

enum { FILTER, TRANSPARENT, APP, N_SESSIONS };

static const struct {
        const char *name;
        enum nx_provider_kind kind;
        const char *started; /* what the extension logs at a start */
} sessions[N_SESSIONS] = {
        [FILTER] = { "office", NX_PROVIDER_KIND_FILTER, "s" },
        [TRANSPARENT] = { "way-out", NX_PROVIDER_KIND_TRANSPARENT_PROXY, "s" },
        [APP] = { "apps", NX_PROVIDER_KIND_APP_PROXY, "S" },
};

/* The daemon speaks with one session at a time: the others' channels wait here. */
static struct channel engines[N_SESSIONS];

static void speak_with(struct daemon *daemon, int session)
{
        daemon->session = sessions[session].name;
        daemon->kind = sessions[session].kind;
        daemon->engine = engines[session];
        daemon->log[0] = '\0';
}

static void start(struct daemon *daemon, int session)
{
        const struct mail *mail;

        daemon->engine = (struct channel)CHANNEL_NULL;
        daemon->session = sessions[session].name;
        daemon->kind = sessions[session].kind;
        daemon->log[0] = '\0';
        daemon_start(daemon);
        engines[session] = daemon->engine;
        assert_string_equal(daemon->log, sessions[session].started);
        assert_true(daemon_receive_all(daemon, &daemon->engine) > 0);
        mail = &daemon->inbox[daemon->n_mails - 1];
        assert_int_equal(mail->type, NX_MSG_ENGINE_STARTED);
        assert_int_equal((int32_t)mail->numbers[WIRE_ATTR_RESULT], 0);
}

static void stop(struct daemon *daemon, int session)
{
        speak_with(daemon, session);
        daemon_send_stop(daemon);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_true(daemon_receive_all(daemon, &daemon->engine) > 0);
        assert_int_equal(daemon->inbox[daemon->n_mails - 1].type, NX_MSG_ENGINE_STOPPED);
        channel_deinit(&daemon->engine);
        engines[session] = daemon->engine;
        assert_int_equal(daemon_let_work(daemon), 0); /* the process stays */
}

static void expect_answer(struct daemon *daemon, int session, uint64_t flow,
                          enum nx_verdict verdict)
{
        speak_with(daemon, session);
        daemon->verdict = verdict;
        assert_int_equal(daemon_ask(daemon, flow), 0);
        engines[session] = daemon->engine;
        expect_verdict(&daemon->inbox[daemon->n_mails - 1], flow, verdict);
}

static int setup(void **state)
{
        for (int i = 0; i < N_SESSIONS; i++)
                engines[i] = (struct channel)CHANNEL_NULL;
        return daemon_setup_each_kind(state);
}

static int teardown(void **state)
{
        struct daemon *daemon = *state;

        for (int i = 0; i < N_SESSIONS; i++)
                channel_deinit(&engines[i]);
        daemon->engine = (struct channel)CHANNEL_NULL;
        return daemon_teardown(state);
}

static void test_all_kinds_run_in_one_process(void **state)
{
        struct daemon *daemon = *state;

        for (int i = 0; i < N_SESSIONS; i++)
                start(daemon, i);
        assert_string_equal(nx_filter_get_name(daemon->filter), "office");
        expect_answer(daemon, FILTER, 1, NX_VERDICT_REFUSE);
        expect_answer(daemon, TRANSPARENT, 1, NX_VERDICT_DECLINE);
        expect_answer(daemon, APP, 2, NX_VERDICT_DECLINE);
}

static void test_each_stops_and_starts_alone(void **state)
{
        struct daemon *daemon = *state;

        for (int i = 0; i < N_SESSIONS; i++)
                start(daemon, i);
        for (int i = 0; i < N_SESSIONS; i++) {
                stop(daemon, i);
                assert_string_equal(daemon->log, i == APP ? "" : "t");
                for (int k = 0; k < N_SESSIONS; k++)
                        if (k != i)
                                expect_answer(daemon, k, 10,
                                              k == FILTER ? NX_VERDICT_ALLOW : NX_VERDICT_DECLINE);
                start(daemon, i);
        }
}

static void test_a_lost_channel_is_one_sessions_matter(void **state)
{
        struct daemon *daemon = *state;

        start(daemon, FILTER);
        start(daemon, TRANSPARENT);
        speak_with(daemon, FILTER);
        channel_deinit(&engines[FILTER]);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "t");
        assert_int_equal(daemon->stop_reason, NX_PROVIDER_STOP_INTERNAL_ERROR);
        expect_answer(daemon, TRANSPARENT, 3, NX_VERDICT_DECLINE);
}

static void test_a_file_is_for_the_session_that_has_it(void **state)
{
        struct daemon *daemon = *state;

        daemon->session = sessions[FILTER].name;
        daemon_send_file(daemon, "rules", "deny all");
        assert_int_equal(daemon_let_work(daemon), 0);
        start(daemon, APP); /* which knows no files */
        assert_string_equal(daemon->file, "");
        daemon->engine = (struct channel)CHANNEL_NULL;
        daemon->session = sessions[FILTER].name;
        daemon->kind = sessions[FILTER].kind;
        daemon->log[0] = '\0';
        daemon_start(daemon);
        engines[FILTER] = daemon->engine;
        assert_string_equal(daemon->log, "fs");
        assert_string_equal(daemon->file, "deny all");
}

static void test_a_session_keeps_its_kind(void **state)
{
        struct daemon *daemon = *state;

        start(daemon, FILTER);
        daemon->kind = NX_PROVIDER_KIND_APP_PROXY;
        daemon_connect(daemon);
        daemon_send_start(daemon);
        assert_int_equal(daemon_let_answer(daemon), 0);
        engines[FILTER] = daemon->engine;
        assert_string_equal(daemon->inbox[daemon->n_mails - 1].text,
                            "Session office of test-extension runs as filter already, not as "
                            "app-proxy");
}

static void test_a_report_names_its_session(void **state)
{
        struct daemon *daemon = *state;

        start(daemon, FILTER);
        daemon_receive_all(daemon, &daemon->control);
        nx_filter_report(daemon->filter, NX_LEVEL_INFO, "all is well");
        assert_int_equal(daemon_receive(daemon, &daemon->control), 1);
        assert_string_equal(daemon->inbox[0].session, "office");
}

static void drain(struct daemon *daemon)
{
        channel_begin(&daemon->engine, NX_MSG_PROVIDER_DRAIN, 0);
        assert_int_equal(channel_end(&daemon->engine), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(daemon_let_work(daemon), 0);
}

static void test_who_is_replaced_is_drained_when_nothing_is_left(void **state)
{
        struct daemon *daemon = *state;

        start(daemon, TRANSPARENT);
        drain(daemon);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
        assert_int_equal(daemon->inbox[0].type, NX_MSG_ENGINE_DRAINED);
}

/* flowd has forgotten a TCP flow whose socket it handed over: only the extension knows. */
static void test_who_is_replaced_keeps_the_sockets_that_it_was_given(void **state)
{
        struct daemon *daemon = *state;
        int pair[2];

        start(daemon, TRANSPARENT);
        daemon->verdict = NX_VERDICT_CLAIM;
        daemon->keeps = true;
        assert_int_equal(daemon_ask(daemon, 7), 0);
        assert_int_equal(nx_flow_open(daemon->kept), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        daemon_send_socket(daemon, 7, pair[1]);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(daemon->opened_flow, 7);
        daemon_receive_all(daemon, &daemon->engine);

        drain(daemon);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 0);
        close(daemon->opened_fd);
        daemon->opened_fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* another of that number */
        for (int i = 0; i < 500 && daemon->n_mails == 0; i++) {
                usleep(10000);
                assert_int_equal(daemon_let_work(daemon), 0);
                daemon_receive_all(daemon, &daemon->engine);
        }
        assert_int_equal(daemon->n_mails, 1);
        assert_int_equal(daemon->inbox[0].type, NX_MSG_ENGINE_DRAINED);
        close(pair[0]);
        engines[TRANSPARENT] = daemon->engine;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_all_kinds_run_in_one_process),
                TEST(test_each_stops_and_starts_alone),
                TEST(test_a_lost_channel_is_one_sessions_matter),
                TEST(test_a_file_is_for_the_session_that_has_it),
                TEST(test_a_session_keeps_its_kind),
                TEST(test_a_report_names_its_session),
                TEST(test_who_is_replaced_is_drained_when_nothing_is_left),
                TEST(test_who_is_replaced_keeps_the_sockets_that_it_was_given),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
