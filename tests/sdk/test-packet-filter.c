/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A packet filter: its settings, and its threads, at whose channels the test is netext-flowd. The
 * handler does as the first byte of a packet says: the letters are below.
 */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sealed.h"
#include "daemon.h"

#define N_LANES     2
#define MEMORY_SIZE ((size_t)WIRE_PACKET_SLOTS * WIRE_PACKET_SLOT_SIZE)

/* The daemon's, and what the handler and its threads do; one at a time here but for 'w'. */
static struct {
        struct nx_packet_filter *filter;
        struct nx_packet *kept;
        pid_t threads[N_LANES];
        char interface[16];
        enum nx_direction direction;
        size_t size;
        int result;
        int gate[2]; /* a pipe: 'w' waits until there is a byte */
} seen;

struct side {
        struct channel channel;
        uint8_t *memory;
};

static struct side sides[N_LANES];

static int start_filter(struct nx_packet_filter *filter, void *userdata)
{
        seen.filter = filter;
        daemon_log(userdata, 's');
        return 0;
}

static void stop_filter(struct nx_packet_filter *filter, enum nx_provider_stop_reason reason,
                        void *userdata)
{
        daemon_log(userdata, 't');
}

static void on_applied(struct nx_packet_filter *filter, int result, void *userdata)
{
        seen.result = result;
}

static enum nx_packet_verdict packet_handler(struct nx_packet_filter *filter,
                                             struct nx_packet_context *context,
                                             const char *interface, enum nx_direction direction,
                                             const void *bytes, size_t size, void *userdata)
{
        const char *letters = bytes;
        char byte;

        snprintf(seen.interface, sizeof(seen.interface), "%s", interface);
        seen.direction = direction;
        seen.size = size;
        switch (letters[0]) {
        case 'd':
                return NX_PACKET_VERDICT_DROP;
        case 'k': /* keeps it */
                seen.kept = nx_packet_filter_delay_current_packet(context);
                assert_null(nx_packet_filter_delay_current_packet(context));
                return NX_PACKET_VERDICT_DELAY;
        case 'l': /* lies about it */
                seen.kept = nx_packet_filter_delay_current_packet(context);
                return NX_PACKET_VERDICT_ALLOW;
        case 'n':
                return NX_PACKET_VERDICT_DELAY;
        case 'x':
                return (enum nx_packet_verdict)9;
        case 'w':
                return read(seen.gate[0], &byte, 1) == 1 ? NX_PACKET_VERDICT_DROP
                                                         : NX_PACKET_VERDICT_ALLOW;
        case 't': /* which thread */
                seen.threads[letters[1] - '0'] = gettid();
                return NX_PACKET_VERDICT_ALLOW;
        default:
                return NX_PACKET_VERDICT_ALLOW;
        }
}

static int setup(void **state)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "test-extension",
                .packet_filter = {
                        .start_filter = start_filter,
                        .stop_filter = stop_filter,
                        .packet_handler = packet_handler,
                },
        };

        memset(&seen, 0, sizeof(seen));
        assert_int_equal(pipe(seen.gate), 0);
        return daemon_setup_extension(state, &extension, NX_PROVIDER_KIND_PACKET_FILTER);
}

static int teardown(void **state)
{
        int r = daemon_teardown(state);

        for (int i = 0; i < N_LANES; i++) {
                channel_deinit(&sides[i].channel);
                sides[i].memory = sealed_close(sides[i].memory, MEMORY_SIZE);
        }
        close(seen.gate[0]);
        close(seen.gate[1]);
        return r;
}

static void add_lane(struct daemon *daemon, unsigned int number)
{
        struct side *side = &sides[number];
        int fds[2], memory_fd;

        assert_int_equal(channel_pair(fds), 0);
        assert_int_equal(channel_init(&side->channel, fds[0]), 0);
        wire_put(channel_begin(&daemon->engine, NX_MSG_PROVIDER_PACKET_LANE, 0), WIRE_ATTR_LANE,
                 number);
        assert_int_equal(channel_end_with_fd(&daemon->engine, fds[1]), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(sealed_open("test", MEMORY_SIZE, &side->memory, &memory_fd), 0);
        channel_begin(&side->channel, NX_MSG_PROVIDER_PACKET_MEMORY, 0);
        assert_int_equal(channel_end_with_fd(&side->channel, memory_fd), 0);
        assert_int_equal(channel_flush(&side->channel), 0);
}

static struct daemon *start(void **state)
{
        struct daemon *daemon = *state;

        daemon_start_afresh(daemon);
        for (unsigned int i = 0; i < N_LANES; i++)
                add_lane(daemon, i);
        assert_int_equal(daemon_let_work(daemon), 0);
        return daemon;
}

static void put_packet(struct side *side, uint64_t id, const char *bytes)
{
        struct wire_writer *writer;

        strcpy((char *)side->memory + id % WIRE_PACKET_SLOTS * WIRE_PACKET_SLOT_SIZE, bytes);
        writer = channel_begin(&side->channel, NX_MSG_PROVIDER_PACKET, 0);
        wire_put(writer, WIRE_ATTR_PACKET, id);
        wire_put(writer, WIRE_ATTR_DIRECTION, NX_DIRECTION_INBOUND);
        wire_put_string(writer, WIRE_ATTR_INTERFACE, "eth0");
        wire_put(writer, WIRE_ATTR_COUNT, strlen(bytes));
        assert_int_equal(channel_end(&side->channel), 0);
}

static void send_packet(struct side *side, uint64_t id, const char *bytes)
{
        put_packet(side, id, bytes);
        assert_int_equal(channel_flush(&side->channel), 0);
}

static void expect_packet_verdict(const struct mail *mail, uint64_t id,
                                  enum nx_packet_verdict verdict)
{
        assert_int_equal(mail->type, NX_MSG_ENGINE_PACKET_VERDICT);
        assert_int_equal(mail->numbers[WIRE_ATTR_PACKET], id);
        assert_int_equal(mail->numbers[WIRE_ATTR_PACKET_VERDICT], verdict);
}

/* Waits for what the side's thread says next, which is that alone. */
static void expect_said(struct daemon *daemon, struct side *side, uint64_t id,
                        enum nx_packet_verdict verdict)
{
        assert_int_equal(daemon_wait_and_receive(daemon, &side->channel), 1);
        expect_packet_verdict(&daemon->inbox[0], id, verdict);
}

static void test_each_packet_has_its_verdict(void **state)
{
        struct daemon *daemon = start(state);

        put_packet(&sides[0], 64, "allow");
        put_packet(&sides[0], 65, "drop");
        put_packet(&sides[0], 127, "allow");
        assert_int_equal(channel_flush(&sides[0].channel), 0);
        assert_int_equal(daemon_wait_and_receive(daemon, &sides[0].channel), 3); /* one datagram */
        expect_packet_verdict(&daemon->inbox[0], 64, NX_PACKET_VERDICT_ALLOW);
        expect_packet_verdict(&daemon->inbox[1], 65, NX_PACKET_VERDICT_DROP);
        expect_packet_verdict(&daemon->inbox[2], 127, NX_PACKET_VERDICT_ALLOW);
        assert_string_equal(seen.interface, "eth0");
        assert_int_equal(seen.direction, NX_DIRECTION_INBOUND);
        assert_int_equal(seen.size, strlen("allow"));
}

static void test_each_lane_has_a_thread_of_its_own(void **state)
{
        struct daemon *daemon = start(state);

        send_packet(&sides[0], 64, "wait");
        send_packet(&sides[1], 64, "t1");
        expect_said(daemon, &sides[1], 64, NX_PACKET_VERDICT_ALLOW);
        assert_int_equal(write(seen.gate[1], "x", 1), 1);
        expect_said(daemon, &sides[0], 64, NX_PACKET_VERDICT_DROP);
        send_packet(&sides[0], 65, "t0");
        expect_said(daemon, &sides[0], 65, NX_PACKET_VERDICT_ALLOW);
        assert_int_not_equal(seen.threads[0], seen.threads[1]);
        assert_int_not_equal(seen.threads[0], gettid());
}

static void test_a_delayed_packet_is_let_go_by_any_thread(void **state)
{
        struct daemon *daemon = start(state);
        size_t size;

        send_packet(&sides[1], 70, "keep\x45");
        expect_said(daemon, &sides[1], 70, NX_PACKET_VERDICT_DELAY);
        send_packet(&sides[1], 134, "another in that slot");
        expect_said(daemon, &sides[1], 134, NX_PACKET_VERDICT_ALLOW);
        assert_memory_equal(nx_packet_get_bytes(seen.kept, &size), "keep\x45", 5);
        assert_int_equal(size, 5);
        assert_string_equal(nx_packet_get_interface(seen.kept), "eth0");
        assert_int_equal(nx_packet_get_direction(seen.kept), NX_DIRECTION_INBOUND);
        assert_int_equal(nx_packet_filter_allow_packet(seen.kept), 0);
        expect_said(daemon, &sides[1], 70, NX_PACKET_VERDICT_ALLOW);
        send_packet(&sides[1], 71, "keep");
        expect_said(daemon, &sides[1], 71, NX_PACKET_VERDICT_DELAY);
        assert_null(nx_packet_free(seen.kept));
        expect_said(daemon, &sides[1], 71, NX_PACKET_VERDICT_DROP);
        assert_null(nx_packet_free(NULL));
}

static void test_what_is_kept_outlives_its_session(void **state)
{
        struct daemon *daemon = start(state);

        send_packet(&sides[0], 64, "keep");
        expect_said(daemon, &sides[0], 64, NX_PACKET_VERDICT_DELAY);
        daemon_send_stop(daemon);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "t");
        assert_int_equal(nx_packet_filter_allow_packet(seen.kept), -ESTALE);
}

static void test_a_stop_waits_for_the_handlers(void **state)
{
        struct daemon *daemon = start(state);
        struct pollfd poll_fd = { .fd = seen.gate[0], .events = POLLIN };

        send_packet(&sides[0], 64, "wait");
        assert_int_equal(write(seen.gate[1], "x", 1), 1);
        daemon_send_stop(daemon);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "t");
        /* It had begun, and has ended; or it had not, and never will. */
        poll(&poll_fd, 1, 0);
        assert_in_range(poll_fd.revents, 0, POLLIN);
}

static void test_flowd_goes_and_comes_back(void **state)
{
        struct daemon *daemon = start(state);

        channel_deinit(&daemon->engine);
        for (int i = 0; i < N_LANES; i++) {
                channel_deinit(&sides[i].channel);
                sides[i].memory = sealed_close(sides[i].memory, MEMORY_SIZE);
        }
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_string_equal(daemon->log, "t");
        start(state);
        send_packet(&sides[0], 64, "drop");
        expect_said(daemon, &sides[0], 64, NX_PACKET_VERDICT_DROP);
}

/* Lets the provider work until it has failed. */
static void expect_fault(struct daemon *daemon, const char *sentence)
{
        struct pollfd poll_fd = { .fd = nx_provider_get_fd(daemon->provider), .events = POLLIN };

        assert_int_equal(poll(&poll_fd, 1, 5000), 1);
        assert_int_equal(daemon_let_work(daemon), -EPROTO);
        expect_error(daemon, sentence);
}

static void test_what_is_no_verdict_is_a_fault(void **state)
{
        struct daemon *daemon = start(state);

        send_packet(&sides[1], 64, "x");
        expect_fault(daemon,
                     "packet_handler returned 9; a packet's verdict is ALLOW, DROP or DELAY");
}

static void test_to_delay_nothing_is_a_fault(void **state)
{
        struct daemon *daemon = start(state);

        send_packet(&sides[0], 64, "nothing");
        expect_fault(daemon,
                     "packet_handler returned DELAY for a packet that it did not delay; see "
                     "nx_packet_filter_delay_current_packet()");
}

static void test_to_delay_and_allow_is_a_fault(void **state)
{
        struct daemon *daemon = start(state);

        send_packet(&sides[0], 64, "lie");
        expect_fault(daemon, "packet_handler delayed a packet and returned 0; DELAY is 2");
        nx_packet_free(seen.kept);
}

static void test_a_packet_that_is_not_there_is_flowds_fault(void **state)
{
        struct daemon *daemon = start(state);
        struct wire_writer *writer;

        writer = channel_begin(&sides[0].channel, NX_MSG_PROVIDER_PACKET, 0);
        wire_put(writer, WIRE_ATTR_PACKET, 64);
        wire_put(writer, WIRE_ATTR_DIRECTION, NX_DIRECTION_INBOUND);
        wire_put_string(writer, WIRE_ATTR_INTERFACE, "eth0");
        wire_put(writer, WIRE_ATTR_COUNT, WIRE_PACKET_SLOT_SIZE + 1);
        assert_int_equal(channel_end(&sides[0].channel), 0);
        assert_int_equal(channel_flush(&sides[0].channel), 0);
        expect_fault(daemon, "netext-flowd sent a packet that is not in the memory it gave");
}

static void test_it_is_asked_about_no_flow(void **state)
{
        struct daemon *daemon = start(state);

        daemon_put_flow(daemon, 1, "/usr/bin/curl");
        assert_int_equal(channel_flush(&daemon->engine), 0);
        assert_int_equal(daemon_let_work(daemon), -EPROTO);
}

static void test_settings_say_which_packets(void **state)
{
        struct daemon *daemon = start(state);
        struct nx_packet_filter_settings *settings;
        const struct nx_packet_rule rule = {
                NX_PACKET_RULE_INIT,          .direction = NX_DIRECTION_OUTBOUND,
                .interface = "wlan0",         .protocol = IPPROTO_ICMPV6,
                .remote_network = "fd00::/8",
        };
        const struct mail *mail = daemon->inbox;

        assert_int_equal(nx_packet_filter_settings_new(&settings, true), 0);
        assert_int_equal(nx_packet_filter_settings_add_rule(settings, &rule), 0);
        assert_int_equal(nx_packet_filter_apply(seen.filter, settings, on_applied, daemon), 0);
        nx_packet_filter_settings_free(settings);
        assert_int_equal(daemon_wait_and_receive(daemon, &daemon->engine), 3);
        assert_int_equal(mail[0].type, NX_MSG_ENGINE_SETTINGS_BEGIN);
        assert_int_equal(mail[0].numbers[WIRE_ATTR_LOOPBACK], true);
        assert_int_equal(mail[1].type, NX_MSG_ENGINE_SETTINGS_RULE);
        assert_int_equal(mail[1].numbers[WIRE_ATTR_DIRECTION], NX_DIRECTION_OUTBOUND);
        assert_int_equal(mail[1].numbers[WIRE_ATTR_IP_PROTOCOL], IPPROTO_ICMPV6);
        assert_int_equal(mail[1].numbers[WIRE_ATTR_REMOTE_PREFIX], 8);
        assert_true((mail[1].present & WIRE_HAS(INTERFACE)) != 0);
        assert_true((mail[1].present &
                     (WIRE_HAS(PROTOCOL) | WIRE_HAS(UID) | WIRE_HAS(PORT_FIRST))) == 0);
        assert_int_equal(mail[2].type, NX_MSG_ENGINE_SETTINGS_COMMIT);
        seen.result = 1;
        daemon_send_done(daemon, mail[2].id, -E2BIG);
        assert_int_equal(daemon_let_work(daemon), 0);
        assert_int_equal(seen.result, -E2BIG);
}

static void test_rules_that_make_no_sense(void **state)
{
        static const struct nx_packet_rule wrong[] = {
                { NX_PACKET_RULE_INIT, .direction = (enum nx_direction)3 },
                { NX_PACKET_RULE_INIT, .protocol = 256 },
                { NX_PACKET_RULE_INIT, .protocol = -1 },
                { NX_PACKET_RULE_INIT, .interface = "" },
                { NX_PACKET_RULE_INIT, .interface = "sixteen-bytes-16" },
                { NX_PACKET_RULE_INIT, .remote_network = "198.18.0.0/33" },
                { .size = 1 },
        };
        const struct nx_packet_rule right = { NX_PACKET_RULE_INIT, .interface = "fifteen-bytes-1" };
        struct nx_packet_filter_settings *settings;

        assert_int_equal(nx_packet_filter_settings_new(&settings, false), 0);
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                assert_int_equal(nx_packet_filter_settings_add_rule(settings, &wrong[i]), -EINVAL);
        for (int i = 0; i < NX_PACKET_RULES_MAX; i++)
                assert_int_equal(nx_packet_filter_settings_add_rule(settings, &right), 0);
        assert_int_equal(nx_packet_filter_settings_add_rule(settings, &right), -E2BIG);
        assert_null(nx_packet_filter_settings_free(settings));
        assert_null(nx_packet_filter_settings_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_each_packet_has_its_verdict),
                TEST(test_each_lane_has_a_thread_of_its_own),
                TEST(test_a_delayed_packet_is_let_go_by_any_thread),
                TEST(test_what_is_kept_outlives_its_session),
                TEST(test_a_stop_waits_for_the_handlers),
                TEST(test_flowd_goes_and_comes_back),
                TEST(test_what_is_no_verdict_is_a_fault),
                TEST(test_to_delay_nothing_is_a_fault),
                TEST(test_to_delay_and_allow_is_a_fault),
                TEST(test_a_packet_that_is_not_there_is_flowds_fault),
                TEST(test_it_is_asked_about_no_flow),
                TEST(test_settings_say_which_packets),
                TEST(test_rules_that_make_no_sense),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
