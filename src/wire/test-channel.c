/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two channels over a real socket pair, or one channel and a bare socket that plays a
 * peer who breaks the rules. Every test ends with as many open descriptors as it began.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "wire/channel.h"

struct pair {
        struct channel near, far;
        unsigned int n_open; /* descriptors of this process before */
};

/* What arrived: ids in their order, and the last descriptor. */
struct arrived {
        size_t n;
        uint64_t ids[4096];
        int fd;
        uint64_t fd_id; /* of its message */
        int result;     /* of the callback, from then on */
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
        if (channel_pair(fds) < 0)
                return -1;
        return channel_init(&pair->near, fds[0]) < 0 || channel_init(&pair->far, fds[1]) < 0;
}

static int tear_down(void **state)
{
        struct pair *pair = *state;
        unsigned int n_open;

        channel_deinit(&pair->near);
        channel_deinit(&pair->near);
        channel_deinit(&pair->far);
        n_open = count_open();
        assert_int_equal(n_open, pair->n_open);
        free(pair);
        return 0;
}

static int take_message(const struct wire_message *message, int *fd, void *userdata)
{
        struct arrived *arrived = userdata;

        assert_in_range(arrived->n, 0, ARRAY_SIZE(arrived->ids) - 1);
        arrived->ids[arrived->n++] = message->id;
        if (*fd >= 0) {
                arrived->fd = take_fd(fd);
                arrived->fd_id = message->id;
        }
        return arrived->result;
}

static int take_and_close(const struct wire_message *message, int *fd, void *userdata)
{
        int r = take_message(message, fd, userdata);
        struct arrived *arrived = userdata;

        arrived->fd = close_fd(arrived->fd);
        return r;
}

static int send_status(struct channel *channel, uint64_t id)
{
        channel_begin(channel, NX_MSG_FLOWD_STATUS_GET, id);
        return channel_end(channel);
}

/* A message of about 1 KiB. */
static int send_text(struct channel *channel, uint64_t id)
{
        char text[WIRE_STRING_MAX];
        struct wire_writer *writer;

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        writer = channel_begin(channel, NX_MSG_FLOWD_FLOW_LIST, id);
        wire_put_string(writer, WIRE_ATTR_TEXT, text);
        return channel_end(channel);
}

static void assert_ids(const struct arrived *arrived, uint64_t first, size_t n)
{
        assert_int_equal(arrived->n, n);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(arrived->ids[i], first + i);
}

static void assert_same_file(int a, int b)
{
        struct stat of_a, of_b;

        assert_return_code(fstat(a, &of_a), errno);
        assert_return_code(fstat(b, &of_b), errno);
        assert_int_equal(of_a.st_ino, of_b.st_ino);
        assert_int_equal(of_a.st_dev, of_b.st_dev);
}

static void test_batch_is_one_datagram(void **state)
{
        struct pair *pair = *state;
        struct arrived arrived = { .fd = -1 };

        for (uint64_t id = 1; id <= 3; id++)
                assert_int_equal(send_status(&pair->near, id), 0);
        assert_int_equal(channel_receive(&pair->far, take_message, &arrived), -EAGAIN);
        assert_int_equal(channel_flush(&pair->near), 0);
        assert_int_equal(channel_flush(&pair->near), 0);
        assert_int_equal(channel_receive(&pair->far, take_message, &arrived), 0);
        assert_ids(&arrived, 1, 3);
        assert_int_equal(channel_receive(&pair->far, take_message, &arrived), -EAGAIN);
}

/* A batch that is full leaves by itself, and no message is torn. */
static void test_full_batch(void **state)
{
        struct pair *pair = *state;
        struct arrived arrived = { .fd = -1 };

        for (uint64_t id = 1; id <= 150; id++)
                assert_int_equal(send_text(&pair->near, id), 0);
        assert_int_equal(channel_receive(&pair->far, take_message, &arrived), 0);
        assert_in_range(arrived.n, 40, 64);
        assert_int_equal(channel_flush(&pair->near), 0);
        while (channel_receive(&pair->far, take_message, &arrived) == 0)
                ;
        assert_ids(&arrived, 1, 150);
}

static void test_too_large_message(void **state)
{
        struct pair *pair = *state;
        struct arrived arrived = { .fd = -1 };
        struct wire_writer *writer;
        char text[WIRE_STRING_MAX] = "";

        memset(text, 'x', sizeof(text) - 1);
        assert_int_equal(send_status(&pair->near, 1), 0);
        writer = channel_begin(&pair->near, NX_MSG_FLOWD_FLOW_LIST, 99);
        for (size_t size = 0; size < WIRE_MESSAGE_SIZE_MAX; size += sizeof(text))
                wire_put_string(writer, WIRE_ATTR_TEXT, text);
        assert_int_equal(channel_end(&pair->near), -EMSGSIZE);
        assert_int_equal(send_status(&pair->near, 2), 0);
        assert_int_equal(channel_flush(&pair->near), 0);
        assert_int_equal(channel_receive(&pair->far, take_message, &arrived), 0);
        assert_ids(&arrived, 1, 2);
}

static const char *const files[] = { "/dev/null", "/dev/zero", "/dev/full" };

static int open_file(size_t i)
{
        return open(files[i], O_RDONLY | O_CLOEXEC);
}

static int send_fd(struct channel *channel, uint64_t id, int fd)
{
        channel_begin(channel, NX_MSG_MANAGER_KEEP, id);
        return channel_end_with_fd(channel, fd);
}

/* Each message that has a descriptor has that of the file of its number. */
static int match_file(const struct wire_message *message, int *fd, void *userdata)
{
        struct arrived *arrived = userdata;
        _cleanup_fd_ int got = take_fd(fd), file = -1;

        arrived->ids[arrived->n++] = message->id;
        if (message->type != NX_MSG_MANAGER_KEEP)
                return 0;
        file = open_file(message->id);
        assert_same_file(got, file);
        assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
        return 0;
}

/* Descriptors leave with their messages, whatever is batched around them. */
static void test_descriptors(void **state)
{
        struct pair *pair = *state;
        struct arrived arrived = {};

        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                assert_int_equal(send_fd(&pair->near, i, open_file(i)), 0);
        assert_int_equal(send_status(&pair->near, ARRAY_SIZE(files)), 0);
        assert_int_equal(channel_flush(&pair->near), 0);
        assert_int_equal(channel_receive(&pair->far, match_file, &arrived), 0);
        assert_ids(&arrived, 0, ARRAY_SIZE(files) + 1);
}

static void test_copy_of_a_descriptor(void **state)
{
        struct pair *pair = *state;
        struct arrived arrived = {};
        _cleanup_fd_ int kept = open_file(1), same = open_file(1);

        channel_begin(&pair->near, NX_MSG_MANAGER_KEEP, 1);
        assert_int_equal(channel_end_with_copy(&pair->near, kept), 0);
        assert_int_equal(channel_flush(&pair->near), 0);
        assert_same_file(kept, same);
        assert_int_equal(channel_receive(&pair->far, match_file, &arrived), 0);
        assert_ids(&arrived, 1, 1);
}

/* Another datagram begins where one has all that it can carry. */
static void test_batch_full_of_descriptors(void **state)
{
        struct pair *pair = *state;
        struct arrived first = {}, second = {};

        for (size_t i = 0; i < CHANNEL_FDS_MAX + 2; i++)
                assert_int_equal(send_fd(&pair->near, i % 2, open_file(i % 2)), 0);
        assert_int_equal(channel_flush(&pair->near), 0);
        assert_int_equal(channel_receive(&pair->far, match_file, &first), 0);
        assert_int_equal(first.n, CHANNEL_FDS_MAX);
        assert_int_equal(channel_receive(&pair->far, match_file, &second), 0);
        assert_int_equal(second.n, 2);
}

/* The kernel takes no batch with one that is none, so who is told of the error has lost it. */
static void test_descriptor_that_is_none(void **state)
{
        struct pair *pair = *state;
        struct arrived arrived = {};

        assert_int_equal(send_fd(&pair->near, 99, INT_MAX), 0);
        assert_int_equal(channel_flush(&pair->near), -EBADF);
        assert_int_equal(send_fd(&pair->near, 1, open_file(1)), 0);
        assert_int_equal(channel_flush(&pair->near), 0);
        assert_int_equal(channel_receive(&pair->far, match_file, &arrived), 0);
        assert_ids(&arrived, 1, 1);
}

static void connect_over_loopback(int *ret_near, int *ret_far)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        _cleanup_fd_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(address);

        assert_return_code(bind(listener, (struct sockaddr *)&address, size), errno);
        assert_return_code(listen(listener, 1), errno);
        assert_return_code(getsockname(listener, (struct sockaddr *)&address, &size), errno);
        *ret_near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_return_code(connect(*ret_near, (struct sockaddr *)&address, size), errno);
        *ret_far = accept(listener, NULL, NULL);
        assert_return_code(*ret_far, errno);
}

/* Who is at its other end must not take that for an end. */
static void test_unsent_connection_is_reset(void **state)
{
        struct pair *pair = *state;
        _cleanup_fd_ int far = -1;
        int near;
        char byte;

        connect_over_loopback(&near, &far);
        assert_int_equal(send_fd(&pair->near, 1, near), 0);
        channel_deinit(&pair->near);
        assert_int_equal(recv(far, &byte, 1, 0), -1);
        assert_int_equal(errno, ECONNRESET);
}

static int leave_descriptor(const struct wire_message *message, int *fd, void *userdata)
{
        assert_return_code(*fd, 0);
        *(unsigned int *)userdata += 1;
        return 0;
}

/* tear_down() sees that the descriptor which nobody took is closed. */
static void test_descriptor_left_behind(void **state)
{
        struct pair *pair = *state;
        unsigned int n = 0;

        assert_int_equal(send_fd(&pair->near, 1, open_file(0)), 0);
        assert_int_equal(channel_flush(&pair->near), 0);
        assert_int_equal(channel_receive(&pair->far, leave_descriptor, &n), 0);
        assert_int_equal(n, 1);
}

/* Fills the socket until something waits; returns the next id. */
static uint64_t fill(struct channel *channel)
{
        uint64_t id = 1;

        while (!channel_wants_write(channel)) {
                assert_int_equal(send_text(channel, id++), 0);
                assert_int_equal(channel_flush(channel), 0);
                assert_in_range(id, 1, 3000);
        }
        return id;
}

static void test_backlog_keeps_order(void **state)
{
        struct pair *pair = *state;
        struct arrived arrived = { .fd = -1 };
        _cleanup_fd_ int same = open_file(0), got = -1;
        uint64_t id = fill(&pair->near);
        int r = 0;

        /* Places become free, and what waits longest has to get them. */
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(channel_receive(&pair->far, take_message, &arrived), 0);
        assert_int_equal(send_status(&pair->near, id++), 0);
        assert_int_equal(send_fd(&pair->near, id++, open_file(0)), 0);
        assert_int_equal(send_status(&pair->near, id++), 0);
        while (r == 0 || channel_wants_write(&pair->near)) {
                assert_int_equal(channel_flush(&pair->near), 0);
                r = channel_receive(&pair->far, take_message, &arrived);
        }
        assert_int_equal(r, -EAGAIN);
        assert_ids(&arrived, 1, id - 1);
        assert_int_equal(pair->near.backlog, 0);
        got = arrived.fd;
        assert_same_file(got, same);
}

static void test_backlog_of_descriptors_is_bounded(void **state)
{
        struct pair *pair = *state;
        struct arrived arrived = { .fd = -1 };
        uint64_t id = fill(&pair->near);
        _cleanup_fd_ int surplus = open_file(0);
        int r = 0;

        for (size_t i = 0; i < CHANNEL_BACKLOG_FDS_MAX; i++)
                assert_int_equal(send_fd(&pair->near, id++, open_file(0)), 0);
        assert_true(channel_is_full(&pair->near));
        assert_int_equal(send_fd(&pair->near, 0, surplus), -ENOBUFS);
        assert_int_equal(send_status(&pair->near, id++), 0);
        while (r == 0 || channel_wants_write(&pair->near)) {
                assert_int_equal(channel_flush(&pair->near), 0);
                r = channel_receive(&pair->far, take_and_close, &arrived);
        }
        assert_ids(&arrived, 1, id - 1);
        assert_false(channel_is_full(&pair->near));
}

static void test_backlog_is_bounded(void **state)
{
        struct pair *pair = *state;
        uint64_t id = fill(&pair->near);
        int r = 0;

        for (; r == 0; id++) {
                assert_int_equal(send_text(&pair->near, id), 0);
                r = channel_flush(&pair->near);
                assert_in_range(pair->near.backlog, 1, CHANNEL_BACKLOG_MAX);
        }
        assert_int_equal(r, -ENOBUFS);
}

/* Where a whole batch is lost by a begin, the end that follows has to say so. */
static void test_lost_batch_is_reported(void **state)
{
        struct pair *pair = *state;
        uint64_t id = fill(&pair->near);
        size_t n_lost = 0;
        int r;

        for (size_t i = 0; i < 2 * CHANNEL_BACKLOG_MAX / WIRE_STRING_MAX; i++) {
                r = send_text(&pair->near, id++);
                n_lost += r == -ENOBUFS;
                assert_true(r == 0 || r == -ENOBUFS);
        }
        assert_in_range(n_lost, 10, 10000);
}

static void test_end_of_stream(void **state)
{
        struct pair *pair = *state;
        struct arrived arrived = { .fd = -1 };

        assert_int_equal(send_status(&pair->near, 1), 0);
        assert_int_equal(channel_flush(&pair->near), 0);
        channel_deinit(&pair->near);
        assert_int_equal(channel_receive(&pair->far, take_message, &arrived), 0);
        assert_ids(&arrived, 1, 1);
        assert_int_equal(channel_receive(&pair->far, take_message, &arrived), -EPIPE);
        assert_int_equal(send_status(&pair->far, 1), 0);
        assert_int_equal(channel_flush(&pair->far), -EPIPE);
}

static void test_callback_ends_it(void **state)
{
        struct pair *pair = *state;
        struct arrived arrived = { .fd = -1, .result = -ECANCELED };

        assert_int_equal(send_status(&pair->near, 1), 0);
        assert_int_equal(send_status(&pair->near, 2), 0);
        assert_int_equal(channel_flush(&pair->near), 0);
        assert_int_equal(channel_receive(&pair->far, take_message, &arrived), -ECANCELED);
        assert_ids(&arrived, 1, 1);
}

static int close_channel(const struct wire_message *message, int *fd, void *userdata)
{
        struct pair *pair = userdata;

        assert_int_equal(message->id, 1);
        channel_deinit(&pair->far);
        return 0;
}

static void test_closed_by_its_callback(void **state)
{
        struct pair *pair = *state;

        assert_int_equal(send_status(&pair->near, 1), 0);
        assert_int_equal(send_status(&pair->near, 2), 0);
        assert_int_equal(channel_flush(&pair->near), 0);
        assert_int_equal(channel_receive(&pair->far, close_channel, pair), 0);
        assert_int_equal(pair->far.fd, -1);
}

/* Bytes and descriptors as they are, by the side of near. */
static void send_raw(struct pair *pair, const void *bytes, size_t size, size_t n_fds)
{
        struct iovec iov = { .iov_base = (void *)bytes, .iov_len = size };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 2 * CHANNEL_FDS_MAX)] = "";
        struct cmsghdr *header = (struct cmsghdr *)control;

        if (n_fds > 0) {
                msg.msg_control = control;
                msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                for (size_t i = 0; i < n_fds; i++)
                        memcpy(CMSG_DATA(header) + i * sizeof(int), &(int){ 0 }, sizeof(int));
        }
        assert_int_equal(sendmsg(pair->near.fd, &msg, MSG_NOSIGNAL), size);
}

static struct wire_writer raw_message(uint8_t *buffer, size_t size, enum wire_message_type type)
{
        struct wire_writer writer;

        wire_writer_init(&writer, buffer, size);
        wire_begin(&writer, type, 1);
        assert_int_equal(wire_end(&writer), 0);
        return writer;
}

static void assert_broken(struct pair *pair, size_t n_before, const char *problem)
{
        struct arrived arrived = { .fd = -1 };

        assert_int_equal(channel_receive(&pair->far, take_message, &arrived), -EBADMSG);
        assert_string_equal(pair->far.problem, problem);
        assert_int_equal(arrived.n, n_before);
        close_fd(arrived.fd);
}

static void test_message_without_descriptor(void **state)
{
        struct pair *pair = *state;
        uint8_t bytes[64];
        struct wire_writer writer = raw_message(bytes, sizeof(bytes), NX_MSG_MANAGER_KEEP);

        send_raw(pair, bytes, writer.size, 0);
        assert_broken(pair, 0, "a message came without its descriptor");
        memcpy(bytes + writer.size, bytes, writer.size);
        send_raw(pair, bytes, 2 * writer.size, 1);
        assert_broken(pair, 1, "a message came without its descriptor");
}

/* Descriptors that belong to no message are closed: tear_down() counts. */
static void test_surplus_descriptors(void **state)
{
        struct pair *pair = *state;
        struct arrived arrived = { .fd = -1 };
        uint8_t bytes[64];
        struct wire_writer writer = raw_message(bytes, sizeof(bytes), NX_MSG_FLOWD_QUIT);

        send_raw(pair, bytes, writer.size, CHANNEL_FDS_MAX);
        assert_int_equal(channel_receive(&pair->far, take_message, &arrived), 0);
        assert_ids(&arrived, 1, 1);
        assert_int_equal(arrived.fd, -1);
}

static void test_too_many_descriptors(void **state)
{
        struct pair *pair = *state;
        uint8_t bytes[64];
        struct wire_writer writer = raw_message(bytes, sizeof(bytes), NX_MSG_FLOWD_QUIT);

        for (size_t n = CHANNEL_FDS_MAX + 1; n <= 2 * CHANNEL_FDS_MAX; n++) {
                send_raw(pair, bytes, writer.size, n);
                assert_broken(pair, 0, "a datagram is larger than the protocol allows");
        }
}

static void test_too_large_datagram(void **state)
{
        static uint8_t bytes[WIRE_BATCH_SIZE_MAX + 1];
        struct pair *pair = *state;

        send_raw(pair, bytes, sizeof(bytes), 1);
        assert_broken(pair, 0, "a datagram is larger than the protocol allows");
}

static void test_garbage_behind_a_message(void **state)
{
        struct pair *pair = *state;
        uint8_t bytes[64] = {};
        struct wire_writer writer = raw_message(bytes, sizeof(bytes), NX_MSG_FLOWD_QUIT);

        send_raw(pair, bytes, writer.size + 3, 2);
        assert_broken(pair, 1, "a message header is cut off");
}

static void test_null_channel(void **state)
{
        struct channel channel = CHANNEL_NULL;

        channel_deinit(&channel);
        channel_deinit(&channel);
        assert_int_equal(channel.fd, -1);
}

#define pair_test(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
        static const struct CMUnitTest tests[] = {
                pair_test(test_batch_is_one_datagram),
                pair_test(test_full_batch),
                pair_test(test_too_large_message),
                pair_test(test_descriptors),
                pair_test(test_copy_of_a_descriptor),
                pair_test(test_batch_full_of_descriptors),
                pair_test(test_descriptor_that_is_none),
                pair_test(test_unsent_connection_is_reset),
                pair_test(test_descriptor_left_behind),
                pair_test(test_backlog_keeps_order),
                pair_test(test_backlog_of_descriptors_is_bounded),
                pair_test(test_backlog_is_bounded),
                pair_test(test_lost_batch_is_reported),
                pair_test(test_end_of_stream),
                pair_test(test_callback_ends_it),
                pair_test(test_closed_by_its_callback),
                pair_test(test_message_without_descriptor),
                pair_test(test_surplus_descriptors),
                pair_test(test_too_many_descriptors),
                pair_test(test_too_large_datagram),
                pair_test(test_garbage_behind_a_message),
                cmocka_unit_test(test_null_channel),
        };

        return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
