/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One netfilter queue for the reference responders, made for few system calls:
 * a read is one recvmmsg() that returns as soon as there is a packet and takes
 * all that have gathered, an answer is one sendto() with all the verdicts. The
 * kernel handles the verdicts inside that call, so when it returns the packets
 * are on their way.
 */
#include "nfqueue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_VERDICT 64 /* room for one verdict message with a mark (40 bytes) */

/* Sends one configuration message and waits for the kernel's word on it. */
static int nfqueue_configure(struct nfqueue *queue, struct nlmsghdr *message)
{
        uint8_t reply[NFQUEUE_MESSAGE];
        ssize_t n;

        message->nlmsg_flags |= NLM_F_ACK;
        if (mnl_socket_sendto(queue->socket, message, message->nlmsg_len) < 0)
                return -errno;
        n = mnl_socket_recvfrom(queue->socket, reply, sizeof(reply));
        if (n < 0 ||
            mnl_cb_run(reply, (size_t)n, 0, mnl_socket_get_portid(queue->socket), NULL, NULL) < 0)
                return -errno;
        return 0;
}

static int nfqueue_bind(struct nfqueue *queue)
{
        uint8_t buffer[NFQUEUE_MESSAGE];
        struct nlmsghdr *message;

        message = nfq_nlmsg_put((char *)buffer, NFQNL_MSG_CONFIG, queue->number);
        nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
        return nfqueue_configure(queue, message);
}

/* Without the GSO flag the kernel cuts large packets up before it queues them. */
static int nfqueue_set_parameters(struct nfqueue *queue)
{
        uint8_t buffer[NFQUEUE_MESSAGE];
        struct nlmsghdr *message;

        message = nfq_nlmsg_put((char *)buffer, NFQNL_MSG_CONFIG, queue->number);
        nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, NFQUEUE_COPY);
        nfq_nlmsg_cfg_put_qmaxlen(message, 16384);
        mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
        mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
        return nfqueue_configure(queue, message);
}

static int nfqueue_set_socket_options(struct nfqueue *queue)
{
        const int one = 1, n_receive = 8 * 1024 * 1024;
        int fd = mnl_socket_get_fd(queue->socket);

        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &n_receive, sizeof(n_receive)) < 0 ||
            setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &one, sizeof(one)) < 0)
                return -errno;
        return 0;
}

int nfqueue_open(struct nfqueue *queue, uint16_t number)
{
        int r;

        memset(queue, 0, sizeof(*queue));
        queue->number = number;
        for (size_t i = 0; i < NFQUEUE_BATCH; i++) {
                queue->iovecs[i] = (struct iovec){queue->buffers[i], NFQUEUE_MESSAGE};
                queue->messages[i].msg_hdr.msg_iov = &queue->iovecs[i];
                queue->messages[i].msg_hdr.msg_iovlen = 1;
        }

        queue->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
        if (!queue->socket || mnl_socket_bind(queue->socket, 0, MNL_SOCKET_AUTOPID) < 0)
                r = -errno;
        else if ((r = nfqueue_bind(queue)) == 0 && (r = nfqueue_set_parameters(queue)) == 0)
                r = nfqueue_set_socket_options(queue);

        if (r < 0)
                nfqueue_close(queue);
        return r;
}

void nfqueue_close(struct nfqueue *queue)
{
        if (queue->socket)
                mnl_socket_close(queue->socket);
        queue->socket = NULL;
}

static int packet_parse(const struct nlmsghdr *message, size_t n_message,
                        struct nfqueue_packet *ret_packet)
{
        struct nlattr *attributes[NFQA_MAX + 1] = {0};
        const struct nfqnl_msg_packet_hdr *header;

        if (!mnl_nlmsg_ok(message, (int)n_message) || nfq_nlmsg_parse(message, attributes) < 0 ||
            !attributes[NFQA_PACKET_HDR])
                return -EBADMSG;

        header = mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]);
        *ret_packet = (struct nfqueue_packet){.id = ntohl(header->packet_id)};
        if (attributes[NFQA_PAYLOAD]) {
                ret_packet->payload = mnl_attr_get_payload(attributes[NFQA_PAYLOAD]);
                ret_packet->n_payload = mnl_attr_get_payload_len(attributes[NFQA_PAYLOAD]);
        }
        return 0;
}

int nfqueue_read(struct nfqueue *queue, struct nfqueue_packet *ret_packets)
{
        int n, n_packets = 0;

        n = recvmmsg(mnl_socket_get_fd(queue->socket), queue->messages, NFQUEUE_BATCH,
                     MSG_WAITFORONE, NULL);
        if (n < 0)
                return -errno;

        for (int i = 0; i < n; i++)
                if (packet_parse(queue->iovecs[i].iov_base, queue->messages[i].msg_len,
                                 &ret_packets[n_packets]) == 0)
                        n_packets++;
        return n_packets;
}

int nfqueue_answer(struct nfqueue *queue, const uint32_t *ids, size_t n, uint32_t verdict,
                   uint32_t mark)
{
        char buffer[NFQUEUE_BATCH * N_VERDICT] __attribute__((aligned(8)));
        size_t n_buffer = 0;

        for (size_t i = 0; i < n && i < NFQUEUE_BATCH; i++) {
                struct nlmsghdr *message =
                        nfq_nlmsg_put(buffer + n_buffer, NFQNL_MSG_VERDICT, queue->number);

                nfq_nlmsg_verdict_put(message, (int)ids[i], (int)verdict);
                nfq_nlmsg_verdict_put_mark(message, mark);
                n_buffer += NLMSG_ALIGN(message->nlmsg_len);
        }
        if (n_buffer > 0 && mnl_socket_sendto(queue->socket, buffer, n_buffer) < 0)
                return -errno;
        return 0;
}

static int argument_parse(const char *text, unsigned long max, unsigned long *ret_number)
{
        unsigned long number;
        char *end;

        errno = 0;
        number = strtoul(text, &end, 0);
        if (errno != 0 || end == text || *end != '\0' || number > max)
                return -EINVAL;
        *ret_number = number;
        return 0;
}

int nfqueue_parse_arguments(int argc, char **argv, uint16_t *ret_number, uint32_t *ret_mark)
{
        unsigned long number, mark, seconds = 600;
        int r;

        if (argc < 3 || argc > 4)
                return -EINVAL;
        r = argument_parse(argv[1], UINT16_MAX, &number);
        if (r == 0)
                r = argument_parse(argv[2], UINT32_MAX, &mark);
        if (r == 0 && argc == 4)
                r = argument_parse(argv[3], 3600, &seconds);
        if (r < 0)
                return r;

        alarm((unsigned int)seconds);
        *ret_number = (uint16_t)number;
        *ret_mark = (uint32_t)mark;
        return 0;
}
