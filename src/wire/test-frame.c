/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Frames over a real socket pair, and packets of a peer who breaks the rules. Every test ends
 * with as many open descriptors as it began.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "wire/frame.h"

struct pair {
        int near, far;
        unsigned int n_open; /* descriptors of this process before */
        uint8_t buffer[FRAME_SIZE_MAX];
        struct frame got;
        const char *problem;
};

static unsigned int count_open(void)
{
        unsigned int n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static int set_up(void **state)
{
        struct pair *pair = calloc(1, sizeof(*pair));
        int fds[2];

        *state = pair;
        pair->n_open = count_open();
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -1;
        pair->near = fds[0];
        pair->far = fds[1];
        return 0;
}

static int tear_down(void **state)
{
        _cleanup_free_ struct pair *pair = *state;

        frame_close_fds(&pair->got);
        close_fd(pair->near);
        close_fd(pair->far);
        return count_open() == pair->n_open ? 0 : -1;
}

static int receive(struct pair *pair)
{
        return frame_receive(pair->far, pair->buffer, &pair->got, &pair->problem);
}

static void a_frame_arrives_as_it_was_sent(void **state)
{
        struct pair *pair = *state;
        struct frame sent = { .type = FRAME_ANSWER, .value = -EACCES, .id = 1ULL << 60 };

        sent.payload = "no\0pe";
        sent.size = 5;
        assert_int_equal(frame_send(pair->near, &sent), 0);
        assert_int_equal(receive(pair), 0);
        assert_int_equal(pair->got.type, FRAME_ANSWER);
        assert_int_equal(pair->got.value, -EACCES);
        assert_true(pair->got.id == 1ULL << 60);
        assert_int_equal(pair->got.size, 5);
        assert_memory_equal(pair->got.payload, "no\0pe", 5);
        assert_int_equal(receive(pair), -EAGAIN);
}

static void the_header_is_what_the_manual_says(void **state)
{
        static const uint8_t expected[] = { 4,    0, 0, 0, 0, 0, 0, 0,   0x02,
                                            0x01, 0, 0, 0, 0, 0, 0, 'h', 'i' };
        struct frame sent = { .type = FRAME_QUESTION, .id = 0x102, .payload = "hi", .size = 2 };
        struct pair *pair = *state;

        assert_int_equal(frame_send(pair->near, &sent), 0);
        assert_int_equal(recv(pair->far, pair->buffer, sizeof(pair->buffer), 0), sizeof(expected));
        assert_memory_equal(pair->buffer, expected, sizeof(expected));
}

static void descriptors_come_in_their_order(void **state)
{
        struct pair *pair = *state;
        struct frame sent = { .type = FRAME_MESSAGE, .n_fds = FRAME_FDS_MAX };
        struct stat ours, theirs;

        for (size_t i = 0; i < FRAME_FDS_MAX; i++)
                sent.fds[i] = i % 2 ? pair->near : pair->far;
        assert_int_equal(frame_send(pair->near, &sent), 0);
        assert_int_equal(receive(pair), 0);
        assert_int_equal(pair->got.n_fds, FRAME_FDS_MAX);
        for (size_t i = 0; i < FRAME_FDS_MAX; i++) {
                assert_int_equal(fstat(sent.fds[i], &ours), 0);
                assert_int_equal(fstat(pair->got.fds[i], &theirs), 0);
                assert_true(ours.st_ino == theirs.st_ino);
                assert_true(fcntl(pair->got.fds[i], F_GETFD) & FD_CLOEXEC);
        }
}

static void the_largest_payload_passes_and_one_byte_more_does_not(void **state)
{
        struct pair *pair = *state;
        uint8_t *payload = calloc(1, FRAME_SIZE_MAX + 1);
        struct frame sent = { .type = FRAME_MESSAGE, .payload = payload };

        sent.size = FRAME_PAYLOAD_MAX;
        assert_int_equal(frame_send(pair->near, &sent), 0);
        assert_int_equal(receive(pair), 0);
        assert_int_equal(pair->got.size, FRAME_PAYLOAD_MAX);
        sent.size++;
        assert_int_equal(frame_send(pair->near, &sent), -EMSGSIZE);
        payload[0] = FRAME_MESSAGE;
        assert_int_equal(send(pair->near, payload, FRAME_SIZE_MAX + 1, 0), FRAME_SIZE_MAX + 1);
        assert_int_equal(receive(pair), -EBADMSG);
        assert_string_equal(pair->problem, "a packet is larger than a frame may be");
        free(payload);
}

static void an_end_is_told_and_a_full_socket_too(void **state)
{
        static const uint8_t zeros[FRAME_PAYLOAD_MAX];
        struct pair *pair = *state;
        struct frame sent = { .type = FRAME_MESSAGE, .payload = zeros, .size = sizeof(zeros) };
        int r;

        do
                r = frame_send(pair->near, &sent);
        while (r == 0);
        assert_int_equal(r, -EAGAIN);
        pair->near = close_fd(pair->near);
        do
                r = receive(pair);
        while (r == 0);
        assert_int_equal(r, -EPIPE);
        assert_int_equal(frame_send(pair->far, &sent), -EPIPE);
}

static void what_was_said_before_a_rude_end_still_comes(void **state)
{
        struct pair *pair = *state;
        struct frame sent = { .type = FRAME_MESSAGE, .payload = "last", .size = 4 };

        assert_int_equal(frame_send(pair->far, &sent), 0); /* which is never read */
        assert_int_equal(frame_send(pair->near, &sent), 0);
        pair->near = close_fd(pair->near);
        assert_int_equal(receive(pair), 0);
        assert_int_equal(pair->got.size, 4);
        assert_int_equal(receive(pair), -EPIPE);
}

/* A packet of the header's fields, with n descriptors beside it. */
static void send_raw(struct pair *pair, uint16_t type, uint16_t n_fds, int32_t value, uint64_t id,
                     size_t size, size_t n)
{
        uint8_t packet[64] = { (uint8_t)type, (uint8_t)(type >> 8), (uint8_t)n_fds,
                               (uint8_t)(n_fds >> 8) };
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int) * 16)];
        } control = {};
        struct iovec iov = { .iov_base = packet, .iov_len = FRAME_HEADER_SIZE + size };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

        memcpy(packet + 4, &value, 4);
        memcpy(packet + 8, &id, 8);
        if (n > 0) {
                msg.msg_control = &control;
                msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int) * n);
                for (size_t i = 0; i < n; i++)
                        memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &pair->near,
                               sizeof(int));
        }
        assert_true(sendmsg(pair->near, &msg, 0) > 0);
}

static void what_breaks_the_rules_is_named(void **state)
{
        static const struct {
                uint16_t type, n_fds;
                int32_t value;
                uint64_t id;
                size_t size, n;
                const char *problem;
        } cases[] = {
                { 0, 0, 0, 0, 0, 0, "the frame's type is unknown" },
                { _FRAME_TYPE_MAX, 0, 0, 0, 0, 0, "the frame's type is unknown" },
                { 0xffff, 0, 0, 0, 0, 0, "the frame's type is unknown" },
                { FRAME_QUESTION, 0, 0, 0, 4, 0, "a frame's id is missing" },
                { FRAME_MESSAGE, 0, 0, 7, 4, 0, "a frame's id is missing" },
                { FRAME_WELCOME, 0, 0, 0, 0, 0, "a frame's value is out of the range" },
                { FRAME_REFUSED, 0, 1, 0, 0, 0, "a frame's value is out of the range" },
                { FRAME_ANSWER, 0, 1, 7, 0, 0, "a frame's value is out of the range" },
                { FRAME_ANSWER, 0, -4096, 7, 0, 0, "a frame's value is out of the range" },
                { FRAME_CREDIT, 0, 0, 0, 0, 0, "a frame's value is out of the range" },
                { FRAME_CREDIT, 0, 1, 0, 1, 0, "a frame has more payload" },
                { FRAME_GOODBYE, 1, 0, 0, 0, 1, "a frame has more descriptors than its type" },
                { FRAME_MESSAGE, 9, 0, 0, 0, 1, "a frame has more descriptors than its type" },
                { FRAME_MESSAGE, 1, 0, 0, 0, 2, "a frame has more descriptors beside it" },
                { FRAME_MESSAGE, 2, 0, 0, 0, 1, "descriptors of a frame were lost" },
                { FRAME_MESSAGE, 8, 0, 0, 0, 12, NULL }, /* eight arrive, the kernel drops four */
        };
        struct pair *pair = *state;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                send_raw(pair, cases[i].type, cases[i].n_fds, cases[i].value, cases[i].id,
                         cases[i].size, cases[i].n);
                if (!cases[i].problem) {
                        assert_int_equal(receive(pair), 0);
                        continue;
                }
                assert_true(receive(pair) < 0);
                assert_true(strncmp(pair->problem, cases[i].problem, strlen(cases[i].problem)) ==
                            0);
        }
        assert_int_equal(send(pair->near, "short", 5, 0), 5);
        assert_int_equal(receive(pair), -EBADMSG);
        assert_string_equal(pair->problem, "a frame's header is cut off");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_frame_arrives_as_it_was_sent, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_header_is_what_the_manual_says, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(descriptors_come_in_their_order, set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                        the_largest_payload_passes_and_one_byte_more_does_not, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_end_is_told_and_a_full_socket_too, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(what_was_said_before_a_rude_end_still_comes, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(what_breaks_the_rules_is_named, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
