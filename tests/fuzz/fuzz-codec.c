/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: src/wire/codec.c src/wire/channel.c src/wire/names.c */

/*
 * A datagram from a peer: once through the codec with every getter, once through a channel
 * with as many descriptors as the first byte says. What parses has to keep what codec.h
 * promises, and no descriptor may stay open.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "wire/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void check_attribute(const struct wire_message *message, unsigned int number)
{
        const struct wire_attribute_info *info = wire_attribute_info(number);
        struct in6_addr address;

        require(info != NULL);
        switch (info->type) {
        case WIRE_STRING:
                require(strlen(wire_get_string(message, number)) < WIRE_STRING_MAX);
                break;
        case WIRE_ADDRESS:
                address = wire_get_address(message, number);
                require(memcmp(&address, message->values[number], sizeof(address)) == 0);
                break;
        case WIRE_ENUM:
                require(strcmp(wire_name_to_string(info->names, (int)wire_get(message, number)),
                               "unknown") != 0);
                break;
        case WIRE_BOOL:
                require(wire_get(message, number) <= 1);
                break;
        default:
                require((int32_t)wire_get(message, number) == wire_get_i32(message, number));
        }
}

static void check_message(const struct wire_message *message)
{
        const struct wire_message_info *info = wire_message_info(message->type);

        require(info != NULL && (message->present & info->required) == info->required);
        for (unsigned int number = 0; number < _WIRE_ATTR_MAX; number++)
                if (message->present & WIRE_BIT(number))
                        check_attribute(message, number);
}

static size_t parse_all(const uint8_t *data, size_t size)
{
        struct wire_message message;
        const char *problem = NULL;
        size_t offset = 0, before = 0, n = 0;

        while (offset < size && wire_parse(data, size, &offset, &message, &problem) == 0) {
                require(offset >= before + WIRE_HEADER_SIZE && offset <= size);
                before = offset;
                check_message(&message);
                n++;
        }
        require(offset == size || problem);
        return n;
}

static void send_raw(int socket_fd, const uint8_t *data, size_t size, size_t n_fds)
{
        struct iovec iov = { .iov_base = (void *)data, .iov_len = size };
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
                        memcpy(CMSG_DATA(header) + i * sizeof(int), &socket_fd, sizeof(int));
        }
        require(sendmsg(socket_fd, &msg, MSG_NOSIGNAL) == (ssize_t)size);
}

static int count_message(const struct wire_message *message, int *fd, void *userdata)
{
        require((*fd >= 0) == (wire_message_info(message->type)->n_fds == 1));
        check_message(message);
        *(size_t *)userdata += 1;
        return 0;
}

static void receive(const uint8_t *data, size_t size, size_t n_fds, size_t n_parsed)
{
        struct channel channel = CHANNEL_NULL;
        _cleanup_fd_ int peer = -1;
        size_t n_received = 0;
        int fds[2], r, lowest;

        require(channel_pair(fds) == 0);
        peer = fds[0];
        require(channel_init(&channel, fds[1]) == 0);
        send_raw(peer, data, size, n_fds);
        r = channel_receive(&channel, count_message, &n_received);
        require(r == 0 || (r == -EBADMSG && channel.problem));
        require(n_received <= n_parsed);
        channel_deinit(&channel);
        /* The lowest free number shows that nothing was left open. */
        lowest = fcntl(peer, F_DUPFD, 0);
        require(lowest == fds[1]);
        close_fd(lowest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        size_t n_fds, n_parsed;

        if (size < 2 || size > WIRE_BATCH_SIZE_MAX)
                return 0;
        n_fds = data[0] % 16;
        n_parsed = parse_all(data + 1, size - 1);
        receive(data + 1, size - 1, n_fds, n_parsed);
        return 0;
}
