/* SPDX-License-Identifier: Apache-2.0 */

/* What becomes of a flow that a proxy claims: opened, failed, spliced, closed, or stale. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon.h"

static int lowest_free_fd(void)
{
        int fd = open("/", O_PATH | O_CLOEXEC);

        assert_true(fd >= 0);
        return close(fd), fd;
}

/* Both ends as a connection; [0] is handed over, [1] shows whether it lives. */
static void make_sockets(int type, int ret_fds[static 2])
{
        assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fds), 0);
}

/* A socket comes to the proxy as the flow's. Returns its other end, which caller owns. */
static int send_socket(struct daemon *daemon, uint64_t flow, int type)
{
        int fds[2];

        make_sockets(type, fds);
        daemon_send_socket(daemon, flow, fds[0]);
        close(fds[0]);
        return fds[1];
}

static void expect_alive(int fd, int other_end)
{
        char byte = 0;

        assert_int_equal(write(fd, "x", 1), 1);
        assert_int_equal(read(other_end, &byte, 1), 1);
        assert_int_equal(byte, 'x');
}

/* Nobody has the other end any more. */
static void expect_dead(int fd)
{
        char byte;

        assert_int_equal(read(fd, &byte, 1), 0);
}

static void expect_message(const struct mail *mail, enum wire_message_type type, uint64_t flow)
{
        assert_int_equal(mail->type, type);
        assert_int_equal(mail->numbers[WIRE_ATTR_FLOW], flow);
}

static void expect_open(const struct mail *mail, uint64_t flow, int result)
{
        expect_message(mail, NX_MSG_ENGINE_FLOW_OPEN, flow);
        assert_int_equal((int32_t)mail->numbers[WIRE_ATTR_RESULT], result);
}

/* Starts, and keeps flow 1 with the verdict. */
static struct nx_flow *start_and_keep(struct daemon *daemon, enum nx_verdict verdict)
{
        daemon_start_afresh(daemon);
        daemon->verdict = verdict;
        daemon->keeps = true;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        daemon->keeps = false;
        assert_int_equal(daemon->n_mails, 1);
        expect_verdict(&daemon->inbox[0], 1, verdict);
        return daemon->kept;
}

/* The same of a claim, which is opened. */
static struct nx_flow *start_and_open(struct daemon *daemon)
{
        struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_CLAIM);

        assert_int_equal(nx_flow_open(flow), 0);
        return flow;
}

static void test_an_open_tcp_flow_comes_as_a_socket_and_is_forgotten(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_CLAIM);
        _cleanup_fd_ int app_fd = -1;

        assert_int_equal(nx_flow_open(flow), 0);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
        expect_open(&daemon->inbox[0], 1, 0);

        app_fd = send_socket(daemon, 1, SOCK_STREAM);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "no");
        assert_int_equal(daemon->opened_flow, 1);
        assert_int_equal(fcntl(daemon->opened_fd, F_GETFD), FD_CLOEXEC);
        expect_alive(daemon->opened_fd, app_fd);

        daemon_send_closed(daemon, 1, 0); /* it is the socket that ends now */
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "no");
        assert_int_equal(nx_flow_open(flow), -EALREADY);
}

static void test_an_open_udp_flow_stays_until_it_is_closed(void **state)
{
        struct daemon *daemon = *state;
        _cleanup_fd_ int app_fd = -1;

        daemon->protocol = IPPROTO_UDP;
        start_and_open(daemon);
        app_fd = send_socket(daemon, 1, SOCK_DGRAM);
        assert_int_equal(daemon_let_work(daemon), 0);
        expect_alive(daemon->opened_fd, app_fd);

        daemon_send_closed(daemon, 1, 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "noc");
        assert_int_equal(daemon->closed_flow, 1);
}

static void test_a_second_socket_is_a_fault(void **state)
{
        struct daemon *daemon = *state;

        daemon->protocol = IPPROTO_UDP;
        start_and_open(daemon);
        close(send_socket(daemon, 1, SOCK_DGRAM));
        close(send_socket(daemon, 1, SOCK_DGRAM));
        assert_int_equal(daemon_let_work(daemon), -EPROTO);
        assert_string_equal(daemon->log, "not");
}

static void test_a_socket_that_nobody_wants_is_closed(void **state)
{
        struct daemon *daemon = *state;
        _cleanup_fd_ int app_fd = -1;

        start_and_open(daemon);
        app_fd = send_socket(daemon, 1, SOCK_STREAM);
        assert_int_equal(daemon_let_work(daemon), 0);
        expect_dead(app_fd);
}

static void test_a_failed_flow_says_why(void **state)
{
        static const struct {
                int said, sent;
        } errors[] = {
                { -ECONNREFUSED, -ECONNREFUSED }, { -EHOSTUNREACH, -EHOSTUNREACH },
                { -ENETUNREACH, -ENETUNREACH },   { -ETIMEDOUT, -ETIMEDOUT },
                { -EACCES, -ECONNREFUSED },
        };
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_CLAIM;
        daemon->keeps = true;
        for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
                assert_int_equal(daemon_ask(daemon, i + 1), 0);
                assert_int_equal(nx_flow_fail(daemon->kept, 0), -EINVAL);
                assert_int_equal(nx_flow_fail(daemon->kept, ECONNREFUSED), -EINVAL);
                assert_int_equal(nx_flow_fail(daemon->kept, errors[i].said), 0);
                assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
                expect_open(&daemon->inbox[0], i + 1, errors[i].sent);
                daemon->kept = nx_flow_unref(daemon->kept);
        }
}

static void test_a_spliced_flow_takes_its_upstream_along(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_CLAIM);
        int fds[2];

        make_sockets(SOCK_STREAM, fds);
        assert_int_equal(nx_flow_splice(flow, fds[0]), 0);
        assert_int_equal(fcntl(fds[0], F_GETFD), -1); /* handed over */
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
        expect_message(&daemon->inbox[0], NX_MSG_ENGINE_FLOW_SPLICE, 1);
        expect_alive(daemon->fd, fds[1]);

        daemon_send_closed(daemon, 1, -ECONNRESET);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "nc");
        assert_int_equal(daemon->end.size, sizeof(daemon->end));
        assert_int_equal(daemon->end.error, -ECONNRESET);
        assert_int_equal(daemon->end.bytes_outbound, 1ULL << 40);
        assert_int_equal(daemon->end.bytes_inbound, 7);
        close(fds[1]);
}

static int look_fd, look_result;

static void splice_at_once(struct nx_flow *flow)
{
        look_result = nx_flow_splice(flow, look_fd);
        assert_int_equal(nx_flow_splice(flow, look_fd), -EALREADY);
        assert_int_equal(nx_flow_open(flow), -EALREADY);
}

static void test_a_splice_before_the_verdict_leaves_with_it(void **state)
{
        struct daemon *daemon = *state;
        int fds[2];

        daemon_start_afresh(daemon);
        make_sockets(SOCK_STREAM, fds);
        look_fd = fds[0];
        daemon->look = splice_at_once;
        daemon->verdict = NX_VERDICT_CLAIM;
        daemon_put_flow(daemon, 5, "/usr/bin/curl");
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(look_result, 0);
        assert_int_equal(daemon_receive(daemon, &daemon->engine), 2);
        expect_verdict(&daemon->inbox[0], 5, NX_VERDICT_CLAIM);
        expect_message(&daemon->inbox[1], NX_MSG_ENGINE_FLOW_SPLICE, 5);
        expect_alive(daemon->fd, fds[1]);
        daemon->fd = close_fd(daemon->fd);
        expect_dead(fds[1]); /* handed over: that was the last */
        close(fds[1]);
}

static void splice_and_close(struct nx_flow *flow)
{
        splice_at_once(flow);
        close(look_fd);
}

static void test_who_closes_what_was_handed_over_is_at_fault(void **state)
{
        struct daemon *daemon = *state;
        int fds[2];

        daemon_start_afresh(daemon);
        make_sockets(SOCK_STREAM, fds);
        look_fd = fds[0];
        daemon->look = splice_and_close;
        daemon->verdict = NX_VERDICT_CLAIM;
        assert_int_equal(daemon_ask(daemon, 5), -EBADF);
        close(fds[1]);
}

static void test_a_splice_without_a_claim_is_a_fault(void **state)
{
        struct daemon *daemon = *state;
        int fds[2];

        daemon_start_afresh(daemon);
        make_sockets(SOCK_STREAM, fds);
        look_fd = fds[0];
        daemon->look = splice_at_once;
        daemon->verdict = NX_VERDICT_DECLINE;
        assert_int_equal(daemon_ask(daemon, 5), -EPROTO);
        assert_int_equal(daemon->n_mails, 0);
        assert_non_null(strstr(nx_provider_get_error(daemon->provider), "flow 5"));
        expect_dead(fds[1]);
        close(fds[1]);
}

static void open_at_once(struct nx_flow *flow)
{
        look_result = nx_flow_open(flow);
}

static void fail_at_once(struct nx_flow *flow)
{
        look_result = nx_flow_fail(flow, -ETIMEDOUT);
}

static void test_an_open_or_fail_before_the_verdict_goes_behind_it(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_CLAIM;
        daemon->look = open_at_once;
        assert_int_equal(daemon_ask(daemon, 5), 0);
        assert_int_equal(look_result, 0);
        assert_int_equal(daemon->n_mails, 2);
        expect_verdict(&daemon->inbox[0], 5, NX_VERDICT_CLAIM);
        expect_open(&daemon->inbox[1], 5, 0);

        daemon->look = fail_at_once;
        assert_int_equal(daemon_ask(daemon, 6), 0);
        assert_int_equal(look_result, 0);
        assert_int_equal(daemon->n_mails, 2);
        expect_open(&daemon->inbox[1], 6, -ETIMEDOUT);
}

static void test_a_pause_does_not_open(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_PAUSE;
        daemon->look = open_at_once;
        assert_int_equal(daemon_ask(daemon, 5), -EPROTO);
        assert_int_equal(look_result, 0);
}

static void test_what_cannot_be_spliced_is_refused(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_CLAIM);
        int fds[2];

        make_sockets(SOCK_DGRAM, fds);
        assert_int_equal(nx_flow_splice(flow, fds[0]), -EINVAL);
        expect_alive(fds[0], fds[1]); /* still ours */
        assert_int_equal(nx_flow_splice(flow, -1), -EINVAL);
        close(fds[0]);
        close(fds[1]);

        daemon->protocol = IPPROTO_UDP;
        daemon->kept = nx_flow_unref(flow);
        flow = start_and_keep(daemon, NX_VERDICT_CLAIM);
        make_sockets(SOCK_STREAM, fds);
        assert_int_equal(nx_flow_splice(flow, fds[0]), -EINVAL);
        assert_int_equal(nx_flow_open(flow), 0);
        close(fds[0]);
        close(fds[1]);
}

/* Each call's answer for a flow on which none may succeed. */
static void expect_each(struct nx_flow *flow, int result)
{
        int fds[2];

        make_sockets(SOCK_STREAM, fds);
        assert_int_equal(nx_flow_open(flow), result);
        assert_int_equal(nx_flow_fail(flow, -ETIMEDOUT), result);
        assert_int_equal(nx_flow_splice(flow, fds[0]), result);
        expect_alive(fds[0], fds[1]);
        close(fds[0]);
        close(fds[1]);
}

static void test_a_splice_to_a_dead_flowd_is_over(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_CLAIM);
        int fds[2];

        channel_deinit(&daemon->engine);
        make_sockets(SOCK_STREAM, fds);
        assert_int_equal(nx_flow_splice(flow, fds[0]), 0);
        expect_dead(fds[1]);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "nt");
        close(fds[1]);
}

/* More than a socket takes at once. */
static void apply_much(struct daemon *daemon)
{
        char program[1000];
        const struct nx_rule rule = { NX_RULE_INIT, .program = program };
        struct nx_proxy_settings *settings;

        memset(program, 'x', sizeof(program));
        program[0] = '/';
        program[sizeof(program) - 1] = '\0';
        assert_int_equal(nx_proxy_settings_new(&settings, false), 0);
        for (int i = 0; i < NX_RULES_MAX; i++)
                assert_int_equal(nx_proxy_settings_include(settings, &rule), 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(nx_proxy_apply(daemon->proxy, settings, NULL, NULL), 0);
        nx_proxy_settings_free(settings);
}

static void test_a_slow_flowd_gets_the_upstream_in_its_turn(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_CLAIM);
        size_t n_rules = 0;
        int fds[2];

        apply_much(daemon);
        make_sockets(SOCK_STREAM, fds);
        assert_int_equal(nx_flow_splice(flow, fds[0]), 0);
        while (daemon->fd < 0) {
                if (daemon_receive(daemon, &daemon->engine) == 0)
                        break; /* it never comes */
                for (size_t i = 0; i < daemon->n_mails; i++)
                        n_rules += daemon->inbox[i].type == NX_MSG_ENGINE_SETTINGS_RULE;
                assert_int_equal(daemon_let_work(daemon), 0);
        }
        assert_int_equal(n_rules, 3 * NX_RULES_MAX);
        expect_message(&daemon->inbox[0], NX_MSG_ENGINE_FLOW_SPLICE, 1);
        expect_alive(daemon->fd, fds[1]);
        daemon->fd = close_fd(daemon->fd);
        expect_dead(fds[1]); /* no copy of it waits any more */
        close(fds[1]);
}

static void test_each_flow_is_opened_failed_or_spliced_once(void **state)
{
        struct daemon *daemon = *state;
        int fds[2];

        for (int i = 0; i < 3; i++) {
                struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_CLAIM);

                make_sockets(SOCK_STREAM, fds);
                assert_int_equal(i == 0   ? nx_flow_open(flow)
                                 : i == 1 ? nx_flow_fail(flow, -ETIMEDOUT)
                                          : nx_flow_splice(flow, fds[0]),
                                 0);
                expect_each(flow, -EALREADY);
                assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 1);
                daemon->kept = nx_flow_unref(flow);
                if (i < 2)
                        close(fds[0]);
                close(fds[1]);
        }
}

static void test_what_is_not_claimed_is_refused(void **state)
{
        static const enum nx_verdict verdicts[] = { NX_VERDICT_DECLINE, NX_VERDICT_DROP,
                                                    NX_VERDICT_REFUSE, NX_VERDICT_PAUSE };
        struct daemon *daemon = *state;

        for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
                expect_each(start_and_keep(daemon, verdicts[i]), -EINVAL);
                daemon->kept = nx_flow_unref(daemon->kept);
        }
}

static void test_a_paused_flow_can_be_spliced_once_it_is_claimed(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_PAUSE);

        assert_int_equal(nx_flow_resume(flow, NX_VERDICT_CLAIM), 0);
        assert_int_equal(nx_flow_open(flow), 0);
        assert_int_equal(daemon_receive_all(daemon, &daemon->engine), 2);
        expect_verdict(&daemon->inbox[0], 1, NX_VERDICT_CLAIM);
        expect_open(&daemon->inbox[1], 1, 0);
        daemon_send_closed(daemon, 1, 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "nc");
}

static void test_a_filters_flow_cannot_be_opened(void **state)
{
        struct daemon *daemon = *state;
        _cleanup_fd_ int app_fd = -1;

        daemon_start_afresh(daemon);
        daemon->look = open_at_once;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        assert_int_equal(look_result, -EINVAL);
        /* And flowd does not talk to it as to a proxy. */
        app_fd = send_socket(daemon, 1, SOCK_STREAM);
        assert_int_equal(daemon_let_work(daemon), -EPROTO);
        expect_dead(app_fd);
}

static void test_a_closed_flow_is_stale(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_CLAIM);

        daemon_send_closed(daemon, 1, 0); /* its program went away */
        daemon_send_closed(daemon, 1, 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "nc");
        expect_each(flow, -ESTALE);
}

static struct nx_flow *unkept;

static void look_and_leave(struct nx_flow *flow)
{
        unkept = flow;
}

static void expect_stale_but_there(struct daemon *daemon)
{
        expect_each(unkept, -ESTALE);
        assert_string_equal(nx_flow_get_program(unkept), "/usr/bin/curl");
}

static void test_a_claimed_flow_is_there_until_the_stop_has_returned(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_CLAIM;
        daemon->look = look_and_leave;
        daemon->at_stop = expect_stale_but_there;
        assert_int_equal(daemon_ask(daemon, 1), 0);
        daemon_send_stop(daemon);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "nt");
}

static void test_a_stop_makes_claimed_flows_stale(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_open(daemon);
        _cleanup_fd_ int app_fd = -1;

        daemon_send_stop(daemon);
        app_fd = send_socket(daemon, 1, SOCK_STREAM);
        daemon_send_closed(daemon, 1, 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "nt");
        expect_dead(app_fd);
        expect_each(flow, -ESTALE);
}

static void test_another_flow_channel_makes_claimed_flows_stale(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_CLAIM);

        daemon_start_afresh(daemon);
        expect_each(flow, -ESTALE);
        daemon_send_closed(daemon, 1, 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "");

        daemon->verdict = NX_VERDICT_CLAIM; /* the same number again is another flow */
        assert_int_equal(daemon_ask(daemon, 1), 0);
        daemon_send_closed(daemon, 1, 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "nc");
        expect_each(flow, -ESTALE);
}

static void test_numbers_that_nobody_claimed_are_ignored(void **state)
{
        struct daemon *daemon = *state;
        _cleanup_fd_ int app_fd = -1;
        int before;

        daemon_start_afresh(daemon);
        app_fd = send_socket(daemon, 77, SOCK_STREAM);
        before = lowest_free_fd();
        daemon_send_closed(daemon, 77, 0);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "");
        expect_dead(app_fd);
        assert_int_equal(lowest_free_fd(), before);
}

static void test_a_socket_for_a_flow_that_was_not_opened_is_a_fault(void **state)
{
        struct daemon *daemon = *state;
        _cleanup_fd_ int app_fd = -1;

        start_and_keep(daemon, NX_VERDICT_CLAIM);
        app_fd = send_socket(daemon, 1, SOCK_STREAM);
        assert_int_equal(daemon_let_work(daemon), -EPROTO);
        assert_non_null(strstr(nx_provider_get_error(daemon->provider), "PROVIDER_FLOW_SOCKET"));
        assert_string_equal(daemon->log, "nt");
        expect_dead(app_fd);
}

/* What a cgroup/setsockopt program would be told, seen through a preloaded setsockopt(). */
static int attach_result;
static struct {
        int egress;
        uint64_t flow;
} attached;

int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
        if (level != WIRE_ATTACH_LEVEL || attach_result == 1)
                return (int)syscall(SYS_setsockopt, fd, level, option, value, size);
        assert_int_equal(size, sizeof(attached.flow));
        attached.egress = option;
        memcpy(&attached.flow, value, sizeof(attached.flow));
        errno = -attach_result;
        return attach_result < 0 ? -1 : 0;
}

static void test_attach_gives_the_kernel_the_flows_number(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_DECLINE);
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        attach_result = 0;
        assert_int_equal(nx_flow_attach(flow, fd), 0);
        assert_int_equal(attached.flow, 1);
        assert_int_equal(attached.egress, NX_EGRESS_NEXT);
        attach_result = -EPERM;
        assert_int_equal(nx_flow_attach(flow, fd), -EPERM);
        attach_result = 1; /* the kernel itself, where no program is attached */
        assert_int_equal(nx_flow_attach(flow, fd), -EOPNOTSUPP);
        assert_int_equal(nx_flow_attach(flow, -1), -EBADF);
}

static void test_attach_says_where_the_flow_goes_on(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_DECLINE);

        attach_result = 0;
        assert_int_equal(nx_flow_attach_via(flow, 0, NX_EGRESS_DIRECT, NULL), 0);
        assert_int_equal(attached.flow, 1);
        assert_int_equal(attached.egress, NX_EGRESS_DIRECT);
        assert_int_equal(nx_flow_attach_via(flow, 0, NX_EGRESS_DIRECT, "office"), -EINVAL);
        assert_int_equal(nx_flow_attach_via(flow, 0, (enum nx_egress)0, NULL), -EINVAL);
        assert_int_equal(nx_flow_attach_via(flow, 0, (enum nx_egress)4, NULL), -EINVAL);
}

/* Who may have none needs no root; those that are there are scenarios' (test_tunnels.py). */
static void test_only_a_tunnel_is_attached_to(void **state)
{
        struct daemon *daemon = *state;
        struct nx_flow *flow = start_and_keep(daemon, NX_VERDICT_DECLINE);

        attach_result = 0;
        assert_int_equal(nx_flow_attach_via(flow, 0, NX_EGRESS_TUNNEL, "no-such-0"), -ENOENT);
        assert_int_equal(nx_flow_attach_via(flow, 0, NX_EGRESS_TUNNEL, "lo"), -EINVAL);
        assert_int_equal(nx_flow_attach_via(flow, 0, NX_EGRESS_TUNNEL, NULL), -EINVAL);
        assert_int_equal(nx_flow_attach_via(flow, 0, NX_EGRESS_TUNNEL, ""), -EINVAL);
        assert_int_equal(nx_flow_attach_via(flow, 0, NX_EGRESS_TUNNEL, "sixteen-letters0"),
                         -EINVAL);
}

static void test_many_claimed_flows_are_told_apart(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        daemon->verdict = NX_VERDICT_CLAIM;
        for (uint64_t flow = 1; flow <= 1000; flow++) {
                assert_int_equal(daemon_ask(daemon, flow), 0);
                memset(daemon->log, 0, sizeof(daemon->log));
        }
        for (uint64_t flow = 2; flow <= 1000; flow += 2) {
                daemon_send_closed(daemon, flow, 0);
                assert_int_equal(daemon_let_work(daemon), 0);
                assert_string_equal(daemon->log, "c");
                assert_int_equal(daemon->closed_flow, flow);
                memset(daemon->log, 0, sizeof(daemon->log));
        }
}

#define TEST_AS(kind, name)                                                                        \
        cmocka_unit_test_setup_teardown(name, daemon_setup##kind, daemon_teardown)
#define TEST(name) TEST_AS(_proxy, name)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_an_open_tcp_flow_comes_as_a_socket_and_is_forgotten),
                TEST(test_an_open_udp_flow_stays_until_it_is_closed),
                TEST(test_a_second_socket_is_a_fault),
                TEST_AS(_bare_proxy, test_a_socket_that_nobody_wants_is_closed),
                TEST(test_a_failed_flow_says_why),
                TEST(test_a_spliced_flow_takes_its_upstream_along),
                TEST(test_a_splice_before_the_verdict_leaves_with_it),
                TEST(test_who_closes_what_was_handed_over_is_at_fault),
                TEST(test_a_splice_without_a_claim_is_a_fault),
                TEST(test_an_open_or_fail_before_the_verdict_goes_behind_it),
                TEST(test_a_pause_does_not_open),
                TEST(test_what_cannot_be_spliced_is_refused),
                TEST(test_a_splice_to_a_dead_flowd_is_over),
                TEST(test_a_slow_flowd_gets_the_upstream_in_its_turn),
                TEST(test_each_flow_is_opened_failed_or_spliced_once),
                TEST(test_what_is_not_claimed_is_refused),
                TEST(test_a_paused_flow_can_be_spliced_once_it_is_claimed),
                TEST_AS(, test_a_filters_flow_cannot_be_opened),
                TEST(test_a_closed_flow_is_stale),
                TEST(test_a_claimed_flow_is_there_until_the_stop_has_returned),
                TEST(test_a_stop_makes_claimed_flows_stale),
                TEST(test_another_flow_channel_makes_claimed_flows_stale),
                TEST(test_numbers_that_nobody_claimed_are_ignored),
                TEST(test_a_socket_for_a_flow_that_was_not_opened_is_a_fault),
                TEST(test_attach_gives_the_kernel_the_flows_number),
                TEST(test_attach_says_where_the_flow_goes_on),
                TEST(test_only_a_tunnel_is_attached_to),
                TEST(test_many_claimed_flows_are_told_apart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
