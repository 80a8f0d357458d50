/* SPDX-License-Identifier: Apache-2.0 */

#include <stddef.h>
#include <sys/socket.h>

#include "datagrams.h"

#define BATCH         64
#define DATAGRAM_MAX  2048
#define SOCKET_BUFFER (4 * 1024 * 1024)

static char bytes[BATCH][DATAGRAM_MAX];
static struct iovec parts[BATCH];
static struct mmsghdr messages[BATCH];

void datagrams_make_room(int fd)
{
        const int size = SOCKET_BUFFER;

        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
                (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

static void prepare_messages(void)
{
        for (unsigned int i = 0; i < BATCH; i++) {
                parts[i] = (struct iovec){ bytes[i], DATAGRAM_MAX };
                messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
        }
}

void datagrams_carry(const struct datagrams_end *end)
{
        int n;

        prepare_messages();
        n = recvmmsg(end->fd, messages, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++)
                parts[i].iov_len = messages[i].msg_len;
        if (n > 0)
                (void)sendmmsg(end->other_fd, messages, (unsigned int)n, MSG_DONTWAIT);
}
