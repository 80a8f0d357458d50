/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: src/wire/frame.c src/base/loop.c src/sdk/endpoint-link.c */
/* fuzz-sources: src/sdk/endpoint-connection.c src/sdk/endpoint-message.c */

/*
 * Packets of the other side of an endpoint, one after the other: two bytes of size, one of how
 * many descriptors lie beside it, the packet. They go through the codec, and through a connection
 * that answers every second question, asks one itself, and closes itself when it is told to. No
 * descriptor may stay open, and every question of ours ends exactly once.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sdk/endpoint-connection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int n_ended, n_messages;
static bool is_freed;

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void count_end(struct nx_connection *connection, int result, struct nx_message *answer,
                      void *userdata)
{
        require(result <= 0 && (answer->size == 0 || answer->bytes));
        n_ended++;
}

static void handle_message(struct nx_connection *connection, struct nx_message *message,
                           struct nx_question *question, void *userdata)
{
        for (size_t i = 0; i < message->n_fds; i++)
                require(fcntl(message->fds[i], F_GETFD) >= 0);
        if (question && n_messages++ % 2 == 0)
                (void)nx_question_answer(question, message);
        else if (question)
                (void)nx_question_refuse(question, -EACCES, "no");
        if (message->size > 0 && *(const char *)message->bytes == 'x')
                nx_connection_close(connection);
}

static int role_frame(struct nx_connection *connection, struct link *link, struct frame *frame,
                      const char **ret_problem)
{
        require(frame->type != FRAME_QUESTION && frame->n_fds == 0);
        return 0;
}

static void role_link_ended(struct nx_connection *connection, struct link *link, int error,
                            const char *problem)
{
        connection_end(connection, error, "%s", problem);
}

static void role_close(struct nx_connection *connection)
{
        connection_unref(connection);
}

static void role_free(struct nx_connection *connection)
{
        connection_deinit(connection);
        is_freed = true;
}

static const struct connection_role role = {
        .frame = role_frame,
        .link_ended = role_link_ended,
        .close = role_close,
        .free = role_free,
};

static void send_packet(int fd, const uint8_t *packet, size_t size, size_t n_fds)
{
        struct iovec iov = { .iov_base = (void *)packet, .iov_len = size };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * 16)] = "";
        struct cmsghdr *header = (struct cmsghdr *)control;

        if (n_fds > 0) {
                msg.msg_control = control;
                msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                for (size_t i = 0; i < n_fds; i++)
                        memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(int));
        }
        (void)sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_all(int fd, const uint8_t *data, size_t size)
{
        while (size >= 3) {
                size_t length = data[0] | (size_t)data[1] << 8, n_fds = data[2] % 12;
                const char *problem = NULL;
                struct frame frame;

                length = length > size - 3 ? size - 3 : length;
                if (frame_parse(data + 3, length, &frame, &problem) < 0)
                        require(problem != NULL);
                else
                        require(frame.size + FRAME_HEADER_SIZE == length &&
                                frame.n_fds <= FRAME_FDS_MAX);
                send_packet(fd, data + 3, length, n_fds);
                data += 3 + length;
                size -= 3 + length;
        }
}

static void converse(struct loop *loop, int fds[2], const uint8_t *data, size_t size)
{
        struct nx_connection connection = {};
        struct nx_message question = { .bytes = "?", .size = 1 };

        is_freed = false;
        require(connection_init(&connection, &role, loop) == 0);
        connection.handle_message = handle_message;
        require(link_open(connection.link, fds[1]) == 0);
        require(nx_connection_ask(&connection, &question, 0, count_end, NULL) == 0);
        send_all(fds[0], data, size);
        for (int i = 0; i < 64; i++) {
                connection_ref(&connection);
                require(loop_dispatch(loop, 0) == 0);
                connection_unref(&connection);
                if (is_freed)
                        break;
        }
        if (!is_freed)
                nx_connection_close(&connection);
        require(is_freed && n_ended == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct loop loop;
        int fds[2], lowest;

        n_ended = n_messages = 0;
        require(loop_init(&loop) == 0);
        require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
        converse(&loop, fds, data, size);
        /* The lowest free number shows that nothing was left open. */
        lowest = fcntl(fds[0], F_DUPFD, 0);
        require(lowest == fds[1]);
        close(lowest);
        close(fds[0]);
        loop_deinit(&loop);
        return 0;
}
