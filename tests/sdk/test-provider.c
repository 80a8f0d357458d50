/* SPDX-License-Identifier: Apache-2.0 */

/* A provider's life: hello, start, stop with its reason (B15), a netextd that goes and comes, bad peers. */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "daemon.h"

static void test_the_first_word_is_hello(void **state)
{
        struct daemon *daemon = *state;

        assert_int_equal(daemon_receive(daemon, &daemon->control), 1);
        assert_int_equal(daemon->inbox[0].type, NX_MSG_MANAGER_EXTENSION_HELLO);
        assert_int_equal(daemon->inbox[0].numbers[WIRE_ATTR_VERSION], WIRE_VERSION);
        assert_string_equal(daemon->inbox[0].name, "test-extension");
        assert_int_equal(daemon->inbox[0].numbers[WIRE_ATTR_KINDS], 1 << NX_PROVIDER_KIND_FILTER);
        assert_string_equal(nx_provider_get_error(daemon->provider), "no error");
}

static void test_a_start_that_fails_says_why(void **state)
{
        struct daemon *daemon = *state;

        daemon->start_result = -ENOENT;
        daemon_start(daemon);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 1);
        assert_int_equal((int32_t)daemon->inbox[0].numbers[WIRE_ATTR_RESULT], -ENOENT);
        assert_string_equal(daemon->inbox[0].text, "no rules at all");
        assert_string_equal(daemon->log, "s");
        assert_string_equal(nx_filter_get_name(daemon->filter), "session");
}

static void test_a_stop_is_answered_and_the_end_of_both_channels_is_the_end(void **state)
{
        struct daemon *daemon = *state;

        daemon_start(daemon);
        daemon_receive(daemon, &daemon->engine);
        daemon_send_stop(daemon);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 1);
        assert_int_equal(daemon->inbox[0].type, NX_MSG_ENGINE_STOPPED);
        assert_int_equal(daemon->stop_reason, NX_PROVIDER_STOP_USER_INITIATED);

        channel_deinit(&daemon->engine);
        assert_int_equal(daemon_let_work(daemon), 0);
        channel_deinit(&daemon->control);
        assert_int_equal(daemon_let_work(daemon), -EPIPE);
        assert_string_equal(daemon->log, "st");
}

static void test_a_dead_flowd_stops_the_filter_until_there_is_another(void **state)
{
        struct daemon *daemon = *state;

        daemon_start(daemon);
        channel_deinit(&daemon->engine);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "st");
        assert_int_equal(daemon->stop_reason, NX_PROVIDER_STOP_INTERNAL_ERROR);
        daemon_start(daemon);
        assert_string_equal(daemon->log, "sts");
}

static void expect_end(struct daemon *daemon, int result, const char *part_of_error)
{
        assert_int_equal(daemon_let_work(daemon), result);
        assert_non_null(strstr(nx_provider_get_error(daemon->provider), part_of_error));
        assert_string_equal(daemon->log, "st");
        assert_int_equal(daemon->stop_reason, NX_PROVIDER_STOP_INTERNAL_ERROR);
}

static void test_garbage_from_flowd_is_a_clean_end(void **state)
{
        struct daemon *daemon = *state;

        daemon_start(daemon);
        daemon_send_raw(&daemon->engine, "GET / HTTP/1.1\r\n\r\n", 18);
        expect_end(daemon, -EBADMSG, "netext-flowd broke the protocol: ");
        /* netextd hears it, too. */
        assert_int_equal(daemon_receive(daemon, &daemon->control), 1); /* hello */
        assert_int_equal(daemon_receive(daemon, &daemon->control), 1);
        assert_int_equal(daemon->inbox[0].numbers[WIRE_ATTR_COUNT], NX_LEVEL_ERROR);
        assert_non_null(strstr(daemon->inbox[0].text, "netext-flowd broke the protocol"));
}

static void test_garbage_from_netextd_is_a_clean_end(void **state)
{
        struct daemon *daemon = *state;

        daemon_start(daemon);
        daemon_send_raw(&daemon->control, "\0\0\0\0", 4);
        expect_end(daemon, -EBADMSG, "netextd broke the protocol: ");
}

static void test_a_message_for_somebody_else_is_a_clean_end(void **state)
{
        struct daemon *daemon = *state;

        daemon_start(daemon);
        channel_begin(&daemon->engine, NX_MSG_FLOWD_STATUS_GET, 0);
        assert_int_equal(channel_end(&daemon->engine), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
        expect_end(daemon, -EPROTO, "FLOWD_STATUS_GET");
}

static void test_a_second_start_is_a_clean_end(void **state)
{
        struct daemon *daemon = *state;

        daemon_start(daemon);
        daemon_send_start(daemon);
        expect_end(daemon, -EPROTO, "PROVIDER_START");
}

static void test_another_version_is_refused(void **state)
{
        struct daemon *daemon = *state;
        struct wire_writer *writer;

        daemon_connect(daemon);
        writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_START, 0);
        wire_put(writer, WIRE_ATTR_VERSION, WIRE_VERSION + 1);
        wire_put_string(writer, WIRE_ATTR_NAME, "session");
        wire_put(writer, WIRE_ATTR_KIND, NX_PROVIDER_KIND_FILTER);
        assert_int_equal(channel_end(&daemon->engine), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 1);
        assert_int_equal((int32_t)daemon->inbox[0].numbers[WIRE_ATTR_RESULT], -EPROTONOSUPPORT);
        assert_string_equal(daemon->log, "");
}

static char socket_path[64];

static int listening_socket(void)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        strcpy(address.sun_path, socket_path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 1), 0);
        return fd;
}

static int setup_with_socket(void **state)
{
        snprintf(socket_path, sizeof(socket_path), "/tmp/netext-test-%d", (int)getpid());
        setenv("NETEXT_EXTENSION_SOCKET", socket_path, 1);
        return daemon_setup(state);
}

static int teardown_with_socket(void **state)
{
        unlink(socket_path);
        unsetenv("NETEXT_EXTENSION_SOCKET");
        return daemon_teardown(state);
}

/* Serves the provider from a poll of ours, as an event loop would, until fd is readable. */
static bool serve_until(struct daemon *daemon, int fd, uint64_t timeout_ms)
{
        struct pollfd poll_fds[] = {
                { .fd = nx_provider_get_fd(daemon->provider), .events = POLLIN },
                { .fd = fd, .events = POLLIN },
        };
        uint64_t end_ns = now_ns() + timeout_ms * 1000000;

        while (now_ns() < end_ns) {
                (void)poll(poll_fds, 2, 100);
                if (poll_fds[1].revents)
                        return true;
                if (poll_fds[0].revents && nx_provider_dispatch(daemon->provider) < 0)
                        return false;
        }
        return false;
}

static void test_a_restarted_netextd_is_found_while_flows_go_on(void **state)
{
        struct daemon *daemon = *state;
        _cleanup_fd_ int listen_fd = -1;

        daemon_start(daemon);
        daemon_receive(daemon, &daemon->engine);
        channel_deinit(&daemon->control);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_false(serve_until(daemon, -1, 250)); /* nobody listens yet */
        daemon_put_flow(daemon, 1, "/usr/bin/curl");
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 1);

        listen_fd = listening_socket();
        assert_true(serve_until(daemon, listen_fd, 5000));
        assert_int_equal(channel_init(&daemon->control, accept(listen_fd, NULL, NULL)), 0);
        assert_int_equal(daemon_receive(daemon, &daemon->control), 1);
        assert_int_equal(daemon->inbox[0].type, NX_MSG_MANAGER_EXTENSION_HELLO);
        nx_filter_report(daemon->filter, NX_LEVEL_INFO, "here again");
        assert_int_equal(daemon_receive(daemon, &daemon->control), 1);
        assert_string_equal(daemon->inbox[0].text, "here again");
        assert_string_equal(daemon->log, "sn");
}

static void test_without_both_daemons_there_is_nothing_to_wait_for(void **state)
{
        struct daemon *daemon = *state;

        daemon_start(daemon);
        channel_deinit(&daemon->control);
        assert_int_equal(daemon_let_work(daemon), 0);
        channel_deinit(&daemon->engine);
        assert_false(serve_until(daemon, -1, 5000));
        assert_int_equal(nx_provider_dispatch(daemon->provider), -EPIPE);
        assert_string_equal(daemon->log, "st");
}

static void test_a_program_that_no_daemon_started_is_not_connected(void **state)
{
        static const struct nx_extension good = { NX_EXTENSION_INIT, .identifier = "x" };
        static const struct nx_extension bad[] = {
                { .identifier = "x" },
                { NX_EXTENSION_INIT },
                { NX_EXTENSION_INIT, .identifier = "No Name" },
        };
        struct nx_provider *provider = NULL;

        unsetenv("NETEXT_CONTROL_FD");
        assert_int_equal(nx_provider_new(&provider, &good, NULL), -ENOTCONN);
        setenv("NETEXT_CONTROL_FD", "0x", 1);
        assert_int_equal(nx_provider_new(&provider, &good, NULL), -ENOTCONN);
        setenv("NETEXT_CONTROL_FD", "1000", 1);
        assert_int_equal(nx_provider_new(&provider, &good, NULL), -ENOTCONN);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(nx_provider_new(&provider, &bad[i], NULL), -EINVAL);
        assert_null(provider);
        unsetenv("NETEXT_CONTROL_FD");
}

static const char *hello_filter, *hello_filter_shared, *hello_proxy;

static long rss_kib(pid_t pid)
{
        _cleanup_file_ FILE *file = NULL;
        char path[64], line[256];
        long kib = -1;

        snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
        file = fopen(path, "r");
        assert_non_null(file);
        while (kib < 0 && fgets(line, sizeof(line), file))
                (void)sscanf(line, "VmRSS: %ld", &kib);
        return kib;
}

/* Starts it, has SIGTERM end it, and returns what it needed in between. */
static long serve_and_terminate(const char *program)
{
        struct pollfd poll_fd = { .events = POLLIN };
        struct channel control;
        long kib;
        pid_t pid;

        pid = daemon_spawn(program, &control);
        poll_fd.fd = control.fd;
        assert_int_equal(poll(&poll_fd, 1, 5000), 1); /* it said hello, so it serves */
        kib = rss_kib(pid);
        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(daemon_exit_status(pid), 0);
        channel_deinit(&control);
        return kib;
}

static void test_nx_main_ends_well_on_sigterm(void **state)
{
        long kib = serve_and_terminate(hello_filter);
        long shared_kib = serve_and_terminate(hello_filter_shared);

        print_message("resident: %ld KiB static, %ld KiB shared\n", kib, shared_kib);
#ifndef __SANITIZE_ADDRESS__
        assert_in_range(kib, 1, 6 * 1024);
        assert_in_range(shared_kib, 1, 6 * 1024);
#endif
}

static void test_hello_proxy_hands_over_a_connection_to_where_the_program_goes(void **state)
{
        struct daemon *daemon = daemon_new(NX_PROVIDER_KIND_TRANSPARENT_PROXY);
        _cleanup_fd_ int listen_fd = daemon_listen(&daemon->remote_port), fd = -1;
        void *owner = daemon;
        char byte = 0;
        pid_t pid;

        pid = daemon_spawn(hello_proxy, &daemon->control);
        daemon_connect(daemon);
        daemon_send_start(daemon);
        daemon_wait_for(daemon, NX_MSG_ENGINE_STARTED);
        daemon->remote_address = "127.0.0.1";
        daemon_put_flow(daemon, 1, "/usr/bin/curl");
        assert_int_equal(channel_flush(&daemon->engine), 0);
        daemon_wait_for(daemon, NX_MSG_ENGINE_FLOW_SPLICE);

        fd = accept(listen_fd, NULL, NULL);
        assert_int_equal(write(daemon->fd, "x", 1), 1);
        assert_int_equal(read(fd, &byte, 1), 1);
        assert_int_equal(byte, 'x');
        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(daemon_exit_status(pid), 0);
        daemon_teardown(&owner);
}

static void test_nx_main_fails_where_the_daemon_vanishes(void **state)
{
        struct channel control;
        pid_t pid;

        pid = daemon_spawn(hello_filter, &control);
        channel_deinit(&control);
        assert_int_equal(daemon_exit_status(pid), 1);
}

static void test_nx_main_explains_itself_to_a_person(void **state)
{
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                execl(hello_filter, hello_filter, NULL);
                _exit(127);
        }
        assert_int_equal(daemon_exit_status(pid), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, daemon_setup, daemon_teardown)
#define TEST_WITH_SOCKET(name)                                                                     \
        cmocka_unit_test_setup_teardown(name, setup_with_socket, teardown_with_socket)

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                TEST(test_the_first_word_is_hello),
                TEST(test_a_start_that_fails_says_why),
                TEST(test_a_stop_is_answered_and_the_end_of_both_channels_is_the_end),
                TEST(test_a_dead_flowd_stops_the_filter_until_there_is_another),
                TEST(test_garbage_from_flowd_is_a_clean_end),
                TEST(test_garbage_from_netextd_is_a_clean_end),
                TEST(test_a_message_for_somebody_else_is_a_clean_end),
                TEST(test_a_second_start_is_a_clean_end),
                TEST(test_another_version_is_refused),
                TEST_WITH_SOCKET(test_a_restarted_netextd_is_found_while_flows_go_on),
                TEST_WITH_SOCKET(test_without_both_daemons_there_is_nothing_to_wait_for),
                cmocka_unit_test(test_a_program_that_no_daemon_started_is_not_connected),
                cmocka_unit_test(test_nx_main_ends_well_on_sigterm),
                cmocka_unit_test(
                        test_hello_proxy_hands_over_a_connection_to_where_the_program_goes),
                cmocka_unit_test(test_nx_main_fails_where_the_daemon_vanishes),
                cmocka_unit_test(test_nx_main_explains_itself_to_a_person),
        };

        if (argc != 4) {
                fprintf(stderr,
                        "usage: test-provider HELLO-FILTER HELLO-FILTER-SHARED HELLO-PROXY\n");
                return 2;
        }
        hello_filter = argv[1];
        hello_filter_shared = argv[2];
        hello_proxy = argv[3];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
