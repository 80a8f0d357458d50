/* SPDX-License-Identifier: Apache-2.0 */

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "datagrams.h"

#define BATCH         64
#define DATAGRAM_MAX  2048
#define SEGMENT_MAX   1400        /* a segment has to fit the link */
#define RUN_MAX       (60 * 1024) /* a packet's size has 16 bits */
#define SOCKET_BUFFER (4 * 1024 * 1024)

struct control {
        _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(uint16_t))];
};

static char bytes[BATCH][DATAGRAM_MAX];
static struct iovec parts[BATCH];
static struct mmsghdr messages[BATCH];
static struct control controls[BATCH];

void datagrams_make_room(int fd)
{
        const int size = SOCKET_BUFFER;

        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static int receive_batch(int fd)
{
        int n;

        for (unsigned int i = 0; i < BATCH; i++) {
                parts[i] = (struct iovec){ bytes[i], DATAGRAM_MAX };
                messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
        }
        n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++)
                parts[i].iov_len = messages[i].msg_len;
        return n;
}

/* How many from the first on are of its size. */
static unsigned int run_length(const struct iovec *first, unsigned int n)
{
        unsigned int length = 1;

        if (first->iov_len == 0 || first->iov_len > SEGMENT_MAX)
                return 1;
        while (length < n && first[length].iov_len == first->iov_len &&
               (length + 1) * first->iov_len <= RUN_MAX)
                length++;
        return length;
}

static struct msghdr run_message(struct iovec *first, unsigned int length, struct control *control)
{
        struct msghdr message = { .msg_iov = first, .msg_iovlen = length };
        uint16_t size = (uint16_t)first->iov_len;
        struct cmsghdr *header;

        if (length == 1)
                return message;
        message.msg_control = control->room;
        message.msg_controllen = sizeof(control->room);
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof(size));
        memcpy(CMSG_DATA(header), &size, sizeof(size));
        return message;
}

/* What the socket does not take is lost, as datagrams are. */
static void send_batch(int fd, unsigned int n)
{
        unsigned int n_runs = 0, length;

        for (unsigned int i = 0; i < n; i += length, n_runs++) {
                length = run_length(&parts[i], n - i);
                messages[n_runs].msg_hdr = run_message(&parts[i], length, &controls[n_runs]);
        }
        (void)sendmmsg(fd, messages, n_runs, MSG_DONTWAIT);
}

void datagrams_carry(const struct datagrams_end *end)
{
        int n = receive_batch(end->fd);

        if (n > 0)
                send_batch(end->other_fd, (unsigned int)n);
}
