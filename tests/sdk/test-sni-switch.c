/* SPDX-License-Identifier: Apache-2.0 */

/* The example as flowd sees it: what it asks to see of a flow, and which ones it takes. */

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon.h"

#define FLOW 7

static const char *program, *hello_path;
static uint8_t hello[4096]; /* of openssl, for www.example.org */
static size_t hello_size;

struct site {
        struct daemon *daemon;
        pid_t pid;
        int listen_fd; /* where flows go */
};

static void site_init(struct site *site, const char *names)
{
        struct daemon *daemon = daemon_new(NX_PROVIDER_KIND_TRANSPARENT_PROXY);

        site->daemon = daemon;
        site->listen_fd = daemon_listen(&daemon->remote_port);
        daemon->remote_address = "127.0.0.1";
        site->pid = daemon_spawn(program, &daemon->control);
        daemon_send_file(daemon, "names", names);
        daemon_connect(daemon);
        daemon_send_start(daemon);
        (void)daemon_wait_for(daemon, NX_MSG_ENGINE_STARTED);
}

static void site_deinit(struct site *site)
{
        void *daemon = site->daemon;

        assert_int_equal(kill(site->pid, SIGTERM), 0);
        assert_int_equal(daemon_exit_status(site->pid), 0);
        daemon_teardown(&daemon);
        close(site->listen_fd);
}

static const struct mail *next_verdict(struct site *site)
{
        const struct mail *mail = daemon_wait_for(site->daemon, NX_MSG_ENGINE_VERDICT);

        assert_int_equal(mail->numbers[WIRE_ATTR_FLOW], FLOW);
        return mail;
}

static void expect_peek(struct site *site, size_t n_bytes)
{
        const struct mail *mail = next_verdict(site);

        assert_int_equal(mail->numbers[WIRE_ATTR_VERDICT], NX_VERDICT_PEEK);
        assert_int_equal(mail->numbers[WIRE_ATTR_PEEK_BYTES], n_bytes);
        assert_int_equal(mail->numbers[WIRE_ATTR_VERDICT_TIMEOUT_MS], 500);
}

static void expect_answer(struct site *site, enum nx_verdict verdict)
{
        assert_int_equal(next_verdict(site)->numbers[WIRE_ATTR_VERDICT], verdict);
}

static void ask(struct site *site)
{
        daemon_put_flow(site->daemon, FLOW, "/usr/bin/curl");
        assert_int_equal(channel_flush(&site->daemon->engine), 0);
        expect_peek(site, 5);
}

/* The verdict about a whole hello for www.example.org. */
static void expect_with_names(const char *names, enum nx_verdict verdict)
{
        struct site site;

        print_message("%s", names);
        site_init(&site, names);
        ask(&site);
        daemon_send_peeked(site.daemon, FLOW, hello, 5);
        expect_peek(&site, hello_size);
        daemon_send_peeked(site.daemon, FLOW, hello, hello_size);
        expect_answer(&site, verdict);
        site_deinit(&site);
}

static void test_listed_names_are_taken(void **state)
{
        expect_with_names("example.org\n", NX_VERDICT_CLAIM);
        expect_with_names("www.example.org\n", NX_VERDICT_CLAIM);
        expect_with_names("other.example\n\nEXAMPLE.org", NX_VERDICT_CLAIM);
        expect_with_names("\r\norg\r\n", NX_VERDICT_CLAIM);
}

static void test_all_others_are_left_alone(void **state)
{
        expect_with_names("w.example.org\n", NX_VERDICT_DECLINE);
        expect_with_names("a.www.example.org\n", NX_VERDICT_DECLINE);
        expect_with_names("example\n", NX_VERDICT_DECLINE);
        expect_with_names("\n\n", NX_VERDICT_DECLINE);
        expect_with_names("", NX_VERDICT_DECLINE);
}

static void test_what_is_taken_goes_where_the_program_wanted_to(void **state)
{
        _cleanup_fd_ int fd = -1;
        struct site site;
        char byte = 0;

        site_init(&site, "example.org\n");
        ask(&site);
        daemon_send_peeked(site.daemon, FLOW, hello, 5);
        expect_peek(&site, hello_size);
        daemon_send_peeked(site.daemon, FLOW, hello, hello_size);
        (void)daemon_wait_for(site.daemon, NX_MSG_ENGINE_FLOW_SPLICE);
        fd = accept(site.listen_fd, NULL, NULL);
        assert_true(fd >= 0);
        assert_int_equal(write(site.daemon->fd, "x", 1), 1);
        assert_int_equal(read(fd, &byte, 1), 1);
        assert_int_equal(byte, 'x');
        site_deinit(&site);
}

static void test_who_does_not_go_on_is_left_alone(void **state)
{
        struct site site;

        site_init(&site, "example.org\n");
        for (size_t shown = 0; shown < 5; shown++) {
                ask(&site);
                daemon_send_peeked(site.daemon, FLOW, hello, shown);
                expect_answer(&site, NX_VERDICT_DECLINE);
        }
        for (size_t shown = 5; shown < hello_size; shown += 100) {
                ask(&site);
                daemon_send_peeked(site.daemon, FLOW, hello, 5);
                expect_peek(&site, hello_size);
                daemon_send_peeked(site.daemon, FLOW, hello, shown);
                expect_answer(&site, NX_VERDICT_DECLINE);
        }
        site_deinit(&site);
}

static void test_what_is_no_hello_is_left_alone(void **state)
{
        struct site site;

        site_init(&site, "example.org\n");
        ask(&site);
        daemon_send_peeked(site.daemon, FLOW, "GET /", 5);
        expect_answer(&site, NX_VERDICT_DECLINE);
        ask(&site);
        daemon_send_peeked(site.daemon, FLOW, "\x16\x03\x01\x40\x00",
                           5); /* more than can be seen */
        expect_answer(&site, NX_VERDICT_DECLINE);
        site_deinit(&site);
}

static int read_hello(void **state)
{
        _cleanup_file_ FILE *file = fopen(hello_path, "r");

        assert_non_null(file);
        hello_size = fread(hello, 1, sizeof(hello), file);
        return hello_size > 100 ? 0 : -1;
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_listed_names_are_taken),
                cmocka_unit_test(test_all_others_are_left_alone),
                cmocka_unit_test(test_what_is_taken_goes_where_the_program_wanted_to),
                cmocka_unit_test(test_who_does_not_go_on_is_left_alone),
                cmocka_unit_test(test_what_is_no_hello_is_left_alone),
        };

        if (argc != 3) {
                fprintf(stderr, "usage: test-sni-switch SNI-SWITCH HELLO-OF-OPENSSL\n");
                return 2;
        }
        program = argv[1];
        hello_path = argv[2];
        return cmocka_run_group_tests(tests, read_hello, NULL);
}
