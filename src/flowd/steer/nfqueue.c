/* SPDX-License-Identifier: Apache-2.0 */

/* What libnetfilter_queue leaves to its users. */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "steer/nfqueue.h"

#define RECEIVE_BUFFER (8 * 1024 * 1024)

int nfqueue_send(int fd, const void *bytes, size_t size)
{
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

        return sendto(fd, bytes, size, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0 ? -errno
                                                                                          : 0;
}

/* Sends a configuration message and waits for the kernel's acknowledgement. */
static int configure(int fd, struct nlmsghdr *message)
{
        uint8_t buffer[MNL_NLMSG_HDRLEN + 1024];
        const struct nlmsgerr *error;
        ssize_t n;
        int r;

        message->nlmsg_flags |= NLM_F_ACK;
        r = nfqueue_send(fd, message, message->nlmsg_len);
        if (r < 0)
                return r;
        do {
                n = recv(fd, buffer, sizeof(buffer), 0);
                if (n < 0)
                        return -errno;
        } while (((struct nlmsghdr *)buffer)->nlmsg_type != NLMSG_ERROR);
        error = mnl_nlmsg_get_payload((struct nlmsghdr *)buffer);
        return error->error;
}

int nfqueue_bind(int fd, uint16_t number, const struct nfqueue_config *config)
{
        const uint32_t known = NFQA_CFG_F_FAIL_OPEN | NFQA_CFG_F_GSO;
        uint32_t flags = (config->drops_when_full ? 0 : NFQA_CFG_F_FAIL_OPEN) |
                         (config->is_whole ? NFQA_CFG_F_GSO : 0);
        char buffer[512];
        struct nlmsghdr *message;
        int r;

        message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, number);
        nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
        r = configure(fd, message);
        if (r < 0)
                return r;
        message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, number);
        nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, (int)config->copy_size);
        nfq_nlmsg_cfg_put_qmaxlen(message, config->length);
        mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(flags));
        mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(known));
        return configure(fd, message);
}

void nfqueue_unbind(int fd, uint16_t number)
{
        char buffer[512];
        struct nlmsghdr *message;

        message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, number);
        nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_UNBIND);
        (void)configure(fd, message);
}

int nfqueue_open(void)
{
        struct sockaddr_nl address = { .nl_family = AF_NETLINK };
        int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

        if (fd < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
                int r = -errno;

                close_fd(fd);
                return r;
        }
        return fd;
}

int nfqueue_set_up(int fd)
{
        int size = RECEIVE_BUFFER, on = 1;

        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
                return -errno;
        /* A full buffer is the fail policy's case, not an error of the socket. */
        if (setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on)) < 0)
                return -errno;
        return 0;
}
