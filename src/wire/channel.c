/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Batching: messages collect in one buffer of WIRE_BATCH_SIZE_MAX and leave as one
 * datagram. A datagram that the socket does not take now waits in a list, so that a
 * slow peer never blocks us; the list is bounded, so that it never fills us either.
 * Order is kept: once something waits, everything behind it waits too.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "wire/channel.h"

struct channel_packet {
        struct channel_packet *next;
        int fd; /* owned; -1 for none */
        size_t size;
        uint8_t bytes[];
};

#define SOCKET_BUFFER_SIZE (1024 * 1024)

int channel_pair(int ret_fds[2])
{
        int r;

        r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds);
        return r < 0 ? -errno : 0;
}

int channel_init(struct channel *channel, int fd)
{
        int size = SOCKET_BUFFER_SIZE;

        *channel = (struct channel){ .fd = fd };
        channel->last = &channel->first;
        channel->batch = malloc(WIRE_BATCH_SIZE_MAX);
        if (!channel->batch) {
                channel_deinit(channel);
                return -ENOMEM;
        }
        /* Best effort: net.core.wmem_max bounds what an unprivileged process gets. */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
        wire_writer_init(&channel->writer, channel->batch, WIRE_BATCH_SIZE_MAX);
        return 0;
}

static void packet_free(struct channel_packet *packet)
{
        close_fd(packet->fd);
        free(packet);
}

void channel_deinit(struct channel *channel)
{
        struct channel_packet *packet;

        while ((packet = channel->first)) {
                channel->first = packet->next;
                packet_free(packet);
        }
        channel->last = &channel->first;
        channel->backlog = 0;
        channel->n_backlog_fds = 0;
        free(channel->batch);
        channel->batch = NULL;
        channel->writer = (struct wire_writer){};
        channel->fd = close_fd(channel->fd);
}

static int send_datagram(int socket_fd, const uint8_t *bytes, size_t size, int fd)
{
        struct iovec iov = { .iov_base = (void *)bytes, .iov_len = size };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control = {};

        if (fd >= 0) {
                msg.msg_control = &control;
                msg.msg_controllen = sizeof(control.room);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        }
        return sendmsg(socket_fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

bool channel_is_full(const struct channel *channel)
{
        return channel->n_backlog_fds >= CHANNEL_BACKLOG_FDS_MAX;
}

static int keep_for_later(struct channel *channel, const uint8_t *bytes, size_t size, int fd)
{
        struct channel_packet *packet;

        if (channel->backlog + size > CHANNEL_BACKLOG_MAX || (fd >= 0 && channel_is_full(channel)))
                return -ENOBUFS;
        packet = malloc(sizeof(*packet) + size);
        if (!packet)
                return -ENOMEM;
        *packet = (struct channel_packet){ .fd = -1, .size = size };
        if (fd >= 0) {
                packet->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (packet->fd < 0) {
                        free(packet);
                        return -errno;
                }
        }
        memcpy(packet->bytes, bytes, size);
        *channel->last = packet;
        channel->last = &packet->next;
        channel->backlog += size;
        channel->n_backlog_fds += fd >= 0;
        return 0;
}

static int send_or_keep(struct channel *channel, const uint8_t *bytes, size_t size, int fd)
{
        int r;

        if (size == 0)
                return 0;
        if (!channel->first) {
                r = send_datagram(channel->fd, bytes, size, fd);
                if (r != -EAGAIN && r != -ENOBUFS)
                        return r;
        }
        return keep_for_later(channel, bytes, size, fd);
}

/* Empties the batch, also where it could not be sent: then its messages are lost. */
static int send_batch(struct channel *channel)
{
        size_t size = channel->writer.size;

        channel->writer.size = 0;
        return send_or_keep(channel, channel->batch, size, -1);
}

struct wire_writer *channel_begin(struct channel *channel, enum wire_message_type type, uint64_t id)
{
        if (WIRE_BATCH_SIZE_MAX - channel->writer.size < WIRE_MESSAGE_SIZE_MAX)
                channel->begin_error = send_batch(channel);
        wire_begin(&channel->writer, type, id);
        return &channel->writer;
}

int channel_end(struct channel *channel)
{
        int lost = channel->begin_error, r;

        channel->begin_error = 0;
        r = wire_end(&channel->writer);
        return lost < 0 ? lost : r;
}

/* What was batched before goes in the same datagram: of its messages only this one takes a
 * descriptor. Where that fails, they wait for the next. */
int channel_end_with_fd(struct channel *channel, int fd)
{
        size_t size_before = channel->writer.size;
        int r;

        r = channel_end(channel);
        if (r >= 0)
                r = send_or_keep(channel, channel->batch, channel->writer.size, fd);
        channel->writer.size = r < 0 ? size_before : 0;
        return r;
}

int channel_flush(struct channel *channel)
{
        struct channel_packet *packet;
        int r;

        while ((packet = channel->first)) {
                r = send_datagram(channel->fd, packet->bytes, packet->size, packet->fd);
                if (r == -EAGAIN || r == -ENOBUFS)
                        break;
                if (r < 0)
                        return r;
                channel->first = packet->next;
                if (!channel->first)
                        channel->last = &channel->first;
                channel->backlog -= packet->size;
                channel->n_backlog_fds -= packet->fd >= 0;
                packet_free(packet);
        }
        return send_batch(channel);
}

bool channel_wants_write(const struct channel *channel)
{
        return channel->first != NULL;
}

struct received {
        size_t size;
        int fds[CHANNEL_FDS_MAX];
        size_t n_fds, next_fd;
        bool lacks_fds; /* the kernel found no number for the next */
};

/* Nobody took it. It is a peer's, who can have asked that close() waits. */
static void discard(int fd)
{
        if (fd >= 0)
                (void)socket_set_reset_on_close(fd, false);
        close_fd(fd);
}

static void close_received(struct received *received)
{
        for (size_t i = received->next_fd; i < received->n_fds; i++)
                discard(received->fds[i]);
}

static void take_control(struct msghdr *msg, struct received *received)
{
        struct cmsghdr *cmsg;

        for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
                if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
                        continue;
                received->n_fds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                memcpy(received->fds, CMSG_DATA(cmsg), received->n_fds * sizeof(int));
        }
}

static int receive_datagram(struct channel *channel, uint8_t *buffer, struct received *received)
{
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
        } control;
        struct iovec iov = { .iov_base = buffer, .iov_len = WIRE_BATCH_SIZE_MAX };
        struct msghdr msg = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control.room),
        };
        ssize_t n;

        n = recvmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : errno == EINTR ? -EAGAIN : -errno;
        take_control(&msg, received);
        received->size = (size_t)n;
        /* Truncated with room left. */
        received->lacks_fds = channel->may_lack_fds && msg.msg_flags & MSG_CTRUNC &&
                              received->n_fds < CHANNEL_FDS_MAX;
        if (received->lacks_fds)
                msg.msg_flags &= ~MSG_CTRUNC;
        if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
                channel->problem = "a datagram is larger than the protocol allows";
                return -EBADMSG;
        }
        return n == 0 ? -EPIPE : 0;
}

static int deliver(struct channel *channel, const uint8_t *buffer, struct received *received,
                   channel_message_fn *fn, void *userdata)
{
        struct wire_message message;
        size_t offset = 0;
        int r;

        while (offset < received->size) {
                int needs_fd, fd = -1;

                r = wire_parse(buffer, received->size, &offset, &message, &channel->problem);
                if (r < 0)
                        return r;
                needs_fd = wire_message_info(message.type)->n_fds;
                if (needs_fd && received->next_fd >= received->n_fds && !received->lacks_fds) {
                        channel->problem = "a message came without its descriptor";
                        return -EBADMSG;
                }
                if (needs_fd && received->next_fd < received->n_fds)
                        fd = received->fds[received->next_fd++];
                r = fn(&message, &fd, userdata);
                discard(fd);
                if (r < 0 || channel->fd < 0)
                        return r;
        }
        return 0;
}

int channel_receive(struct channel *channel, channel_message_fn *fn, void *userdata)
{
        uint8_t buffer[WIRE_BATCH_SIZE_MAX];
        struct received received = {};
        int r;

        r = receive_datagram(channel, buffer, &received);
        if (r >= 0)
                r = deliver(channel, buffer, &received, fn, userdata);
        close_received(&received);
        return r;
}
