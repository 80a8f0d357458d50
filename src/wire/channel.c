/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Batching: messages collect in one buffer of WIRE_BATCH_SIZE_MAX and leave as one
 * datagram, their descriptors with them. A datagram that the socket does not take now
 * waits in a list, so that a slow peer never blocks us; the list is bounded, so that it
 * never fills us either. Order is kept: once something waits, everything behind it waits too.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "wire/channel.h"

struct channel_packet {
        struct channel_packet *next;
        struct channel_fds fds;
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

        *channel = (struct channel){ .fd = fd, .backlog_max = CHANNEL_BACKLOG_MAX };
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

/* What is not sent is cut off: a connection among them must not look as if it had ended. */
static void close_fds(struct channel_fds *fds, bool are_sent)
{
        while (fds->n > 0) {
                int fd = fds->fds[--fds->n];

                if (!are_sent)
                        (void)socket_set_reset_on_close(fd, true);
                close_fd(fd);
        }
}

static void packet_free(struct channel_packet *packet, bool is_sent)
{
        close_fds(&packet->fds, is_sent);
        free(packet);
}

void channel_deinit(struct channel *channel)
{
        struct channel_packet *packet;

        while ((packet = channel->first)) {
                channel->first = packet->next;
                packet_free(packet, false);
        }
        close_fds(&channel->fds, false);
        channel->last = &channel->first;
        channel->backlog = 0;
        channel->n_backlog_fds = 0;
        free(channel->batch);
        channel->batch = NULL;
        channel->writer = (struct wire_writer){};
        channel->fd = close_fd(channel->fd);
}

static int send_datagram(int socket_fd, const uint8_t *bytes, size_t size,
                         const struct channel_fds *fds)
{
        struct iovec iov = { .iov_base = (void *)bytes, .iov_len = size };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(fds->fds))];
        } control = {};
        size_t fds_size = fds->n * sizeof(*fds->fds);

        if (fds->n > 0) {
                msg.msg_control = &control;
                msg.msg_controllen = CMSG_SPACE(fds_size);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(fds_size);
                memcpy(CMSG_DATA(&control.header), fds->fds, fds_size);
        }
        return sendmsg(socket_fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* ETOOMANYREFS: as many descriptors as the sender may have open are under way (unix(7)). */
static bool has_to_wait(int error)
{
        return error == -EAGAIN || error == -ENOBUFS || error == -ETOOMANYREFS;
}

bool channel_is_full(const struct channel *channel)
{
        return channel->n_backlog_fds + channel->fds.n >= CHANNEL_BACKLOG_FDS_MAX;
}

static int keep_for_later(struct channel *channel, size_t size)
{
        struct channel_packet *packet;

        if (channel->backlog + size > channel->backlog_max)
                return -ENOBUFS;
        packet = malloc(sizeof(*packet) + size);
        if (!packet)
                return -ENOMEM;
        *packet = (struct channel_packet){ .fds = channel->fds, .size = size };
        memcpy(packet->bytes, channel->batch, size);
        *channel->last = packet;
        channel->last = &packet->next;
        channel->backlog += size;
        channel->n_backlog_fds += packet->fds.n;
        channel->fds.n = 0;
        return 0;
}

/* Empties the batch, also where it could not be sent: then its messages are lost. */
static int send_batch(struct channel *channel)
{
        size_t size = channel->writer.size;
        int r = -EAGAIN;

        if (size == 0)
                return 0;
        if (!channel->first)
                r = send_datagram(channel->fd, channel->batch, size, &channel->fds);
        if (has_to_wait(r))
                r = keep_for_later(channel, size);
        channel->writer.size = 0;
        close_fds(&channel->fds, r >= 0);
        return r;
}

struct wire_writer *channel_begin(struct channel *channel, enum wire_message_type type, uint64_t id)
{
        if (WIRE_BATCH_SIZE_MAX - channel->writer.size < WIRE_MESSAGE_SIZE_MAX ||
            channel->fds.n == CHANNEL_FDS_MAX)
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

/* A message that is not ended is not sent. */
int channel_end_with_fd(struct channel *channel, int fd)
{
        int r = channel_is_full(channel) ? -ENOBUFS : channel->begin_error;

        channel->begin_error = 0;
        if (r >= 0)
                r = wire_end(&channel->writer);
        if (r >= 0)
                channel->fds.fds[channel->fds.n++] = fd;
        return r;
}

int channel_end_with_copy(struct channel *channel, int fd)
{
        _cleanup_fd_ int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        int r = copy < 0 ? -errno : channel_end_with_fd(channel, copy);

        if (r >= 0)
                take_fd(&copy);
        return r;
}

int channel_flush(struct channel *channel)
{
        struct channel_packet *packet;
        int r;

        while ((packet = channel->first)) {
                r = send_datagram(channel->fd, packet->bytes, packet->size, &packet->fds);
                if (has_to_wait(r))
                        break;
                if (r < 0)
                        return r;
                channel->first = packet->next;
                if (!channel->first)
                        channel->last = &channel->first;
                channel->backlog -= packet->size;
                channel->n_backlog_fds -= packet->fds.n;
                packet_free(packet, true);
        }
        return send_batch(channel);
}

int channel_flush_all(struct channel *channel)
{
        int r = channel_flush(channel);

        while (r >= 0 && channel_wants_write(channel)) {
                struct pollfd peer = { channel->fd, POLLOUT, 0 };

                if (poll(&peer, 1, -1) < 0 && errno != EINTR)
                        return -errno;
                r = channel_flush(channel);
        }
        return r;
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
