/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Frames to packets and back. What a frame of each type may have is one table, so that what
 * parses needs no second look: descriptors only where they mean something, an id where
 * something is answered, a value in its range.
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "wire/frame.h"

#define ERRNO_MAX 4095

static const struct frame_rule {
        bool has_id, has_payload, has_fds;
        int32_t value_min, value_max;
} rules[_FRAME_TYPE_MAX] = {
        [FRAME_WELCOME] = { .value_min = 1, .value_max = INT32_MAX },
        [FRAME_REFUSED] = { .has_payload = true, .value_min = -ERRNO_MAX, .value_max = -1 },
        [FRAME_MESSAGE] = { .has_payload = true, .has_fds = true },
        [FRAME_QUESTION] = { .has_id = true, .has_payload = true, .has_fds = true },
        [FRAME_ANSWER] = { .has_id = true,
                           .has_payload = true,
                           .has_fds = true,
                           .value_min = -ERRNO_MAX },
        [FRAME_EVENT] = { .has_id = true, .has_payload = true, .value_max = INT32_MAX },
        [FRAME_CREDIT] = { .value_min = 1, .value_max = INT32_MAX },
        [FRAME_GOODBYE] = {},
};

static uint64_t get_le(const uint8_t *at, size_t size)
{
        uint64_t value = 0;

        for (size_t i = 0; i < size; i++)
                value |= (uint64_t)at[i] << (8 * i);
        return value;
}

static void put_le(uint8_t *at, size_t size, uint64_t value)
{
        for (size_t i = 0; i < size; i++)
                at[i] = (uint8_t)(value >> (8 * i));
}

static const char *frame_problem(const struct frame *frame)
{
        const struct frame_rule *rule;

        if (frame->type <= 0 || frame->type >= _FRAME_TYPE_MAX)
                return "the frame's type is unknown";
        rule = &rules[frame->type];
        if (frame->n_fds > (rule->has_fds ? FRAME_FDS_MAX : 0))
                return "a frame has more descriptors than its type allows";
        if ((frame->id != 0) != rule->has_id)
                return "a frame's id is missing, or stands where there is none";
        if (frame->value < rule->value_min || frame->value > rule->value_max)
                return "a frame's value is out of the range of its type";
        if (frame->size > (rule->has_payload ? FRAME_PAYLOAD_MAX : 0))
                return "a frame has more payload than its type allows";
        return NULL;
}

int frame_parse(const uint8_t *packet, size_t size, struct frame *ret, const char **ret_problem)
{
        const char *problem = "a frame's header is cut off";
        struct frame frame;

        if (size >= FRAME_HEADER_SIZE) {
                frame = (struct frame){
                        .type = (enum frame_type)get_le(packet, 2),
                        .n_fds = get_le(packet + 2, 2),
                        .value = (int32_t)(uint32_t)get_le(packet + 4, 4),
                        .id = get_le(packet + 8, 8),
                        .payload = packet + FRAME_HEADER_SIZE,
                        .size = size - FRAME_HEADER_SIZE,
                };
                problem = frame_problem(&frame);
        }
        if (problem) {
                *ret_problem = problem;
                return -EBADMSG;
        }
        *ret = frame;
        return 0;
}

union frame_control {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * FRAME_FDS_MAX)];
};

static void attach_fds(const struct frame *frame, struct msghdr *msg, union frame_control *control)
{
        size_t size = frame->n_fds * sizeof(*frame->fds);

        msg->msg_control = control;
        msg->msg_controllen = CMSG_SPACE(size);
        control->header.cmsg_level = SOL_SOCKET;
        control->header.cmsg_type = SCM_RIGHTS;
        control->header.cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(&control->header), frame->fds, size);
}

int frame_send(int socket_fd, const struct frame *frame)
{
        uint8_t header[FRAME_HEADER_SIZE];
        struct iovec iov[] = {
                { .iov_base = header, .iov_len = sizeof(header) },
                { .iov_base = (void *)frame->payload, .iov_len = frame->size },
        };
        struct msghdr msg = { .msg_iov = iov, .msg_iovlen = frame->size > 0 ? 2 : 1 };
        union frame_control control;

        if (frame_problem(frame))
                return frame->size > FRAME_PAYLOAD_MAX ? -EMSGSIZE : -EINVAL;
        put_le(header, 2, frame->type);
        put_le(header + 2, 2, frame->n_fds);
        put_le(header + 4, 4, (uint32_t)frame->value);
        put_le(header + 8, 8, frame->id);
        if (frame->n_fds > 0)
                attach_fds(frame, &msg, &control);
        if (sendmsg(socket_fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
                return 0;
        /* ETOOMANYREFS: as many descriptors as we may have open are under way (unix(7)). */
        return errno == ENOBUFS || errno == ETOOMANYREFS ? -EAGAIN
               : errno == ECONNRESET                     ? -EPIPE
                                                         : -errno;
}

struct received_fds {
        int fds[FRAME_FDS_MAX];
        size_t n;
};

static void close_received(struct received_fds *received)
{
        while (received->n > 0)
                close_fd(received->fds[--received->n]);
}

static void take_fds(struct msghdr *msg, struct received_fds *received)
{
        struct cmsghdr *cmsg;

        for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
                if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
                        continue;
                received->n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                memcpy(received->fds, CMSG_DATA(cmsg), received->n * sizeof(int));
        }
}

/* The size of the packet, or what frame_receive() returns. */
static ssize_t receive_packet(int socket_fd, uint8_t *buffer, int flags,
                              struct received_fds *received, const char **ret_problem)
{
        union frame_control control;
        struct iovec iov = { .iov_base = buffer, .iov_len = FRAME_SIZE_MAX };
        struct msghdr msg = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control.room),
        };
        ssize_t n;

        n = recvmsg(socket_fd, &msg, flags | MSG_CMSG_CLOEXEC);
        /* Who closed had not read everything of ours. That comes once, before what he had sent. */
        if (n < 0 && errno == ECONNRESET)
                n = recvmsg(socket_fd, &msg, flags | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : errno == EINTR ? -EAGAIN : -errno;
        take_fds(&msg, received);
        if (n == 0)
                return -EPIPE;
        if (msg.msg_flags & MSG_TRUNC) {
                *ret_problem = "a packet is larger than a frame may be";
                return -EBADMSG;
        }
        return n;
}

static int receive(int socket_fd, uint8_t *buffer, int flags, struct frame *ret,
                   const char **ret_problem)
{
        _cleanup_(close_received) struct received_fds received = {};
        struct frame frame;
        ssize_t n;
        int r;

        n = receive_packet(socket_fd, buffer, flags, &received, ret_problem);
        if (n < 0)
                return (int)n;
        r = frame_parse(buffer, (size_t)n, &frame, ret_problem);
        if (r < 0)
                return r;
        if (frame.n_fds > received.n) {
                *ret_problem = "descriptors of a frame were lost: it came without them, or this "
                               "process has as many open as it may";
                return -EMFILE;
        }
        if (frame.n_fds < received.n) {
                *ret_problem = "a frame has more descriptors beside it than it says";
                return -EBADMSG;
        }
        memcpy(frame.fds, received.fds, received.n * sizeof(int));
        received.n = 0;
        *ret = frame;
        return 0;
}

int frame_receive(int socket_fd, uint8_t buffer[static FRAME_SIZE_MAX], struct frame *ret,
                  const char **ret_problem)
{
        return receive(socket_fd, buffer, MSG_DONTWAIT, ret, ret_problem);
}

int frame_wait(int socket_fd, uint8_t buffer[static FRAME_SIZE_MAX], struct frame *ret,
               const char **ret_problem)
{
        return receive(socket_fd, buffer, 0, ret, ret_problem);
}

void frame_close_fds(struct frame *frame)
{
        for (size_t i = 0; i < frame->n_fds; i++)
                frame->fds[i] = close_fd(frame->fds[i]);
        frame->n_fds = 0;
}
