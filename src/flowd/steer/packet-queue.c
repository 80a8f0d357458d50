/* SPDX-License-Identifier: Apache-2.0 */

/* As steer/queue.c, but the verdict is the packet's last here: accept or drop, without a mark. */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "steer/nfqueue.h"
#include "steer/packet-queue.h"
#include "wire/table.h"

#define BATCH        PACKET_QUEUE_BATCH
#define MESSAGE_MAX  (WIRE_PACKET_SLOT_SIZE + 512)
#define VERDICT_MAX  64
#define QUEUE_LENGTH 4096

struct packet_queue {
        int fd;
        uint16_t open_number, closed_number;
        size_t verdicts_size;
        uint8_t verdicts[4 * BATCH * VERDICT_MAX];
        uint8_t messages[BATCH][MESSAGE_MAX];
};

DEFINE_CLEANUP(struct packet_queue *, packet_queue, packet_queue_close)

static int bind_one(struct packet_queue *queue, uint16_t number, bool is_closed)
{
        const struct nfqueue_config config = {
                .copy_size = WIRE_PACKET_SLOT_SIZE, /* the kernel copies a little less at most */
                .length = QUEUE_LENGTH,
                .is_whole = true,
                .drops_when_full = is_closed,
        };

        return nfqueue_bind(queue->fd, number, &config);
}

int packet_queue_open(struct packet_queue **ret_queue, uint16_t open_number, uint16_t closed_number)
{
        _cleanup_(cleanup_packet_queue) struct packet_queue *queue = calloc(1, sizeof(*queue));
        int r;

        if (!queue)
                return -ENOMEM;
        queue->open_number = open_number;
        queue->closed_number = closed_number;
        queue->fd = nfqueue_open();
        if (queue->fd < 0)
                return queue->fd;
        r = bind_one(queue, open_number, false);
        if (r >= 0)
                r = bind_one(queue, closed_number, true);
        if (r >= 0)
                r = nfqueue_set_up(queue->fd);
        if (r < 0)
                return r;
        *ret_queue = take_ptr(queue);
        return 0;
}

struct packet_queue *packet_queue_close(struct packet_queue *queue)
{
        if (!queue)
                return NULL;
        close_fd(queue->fd);
        free(queue);
        return NULL;
}

int packet_queue_fd(const struct packet_queue *queue)
{
        return queue->fd;
}

static bool parse(const struct packet_queue *queue, const struct nlmsghdr *message,
                  struct packet_queue_packet *ret_packet)
{
        const struct nfgenmsg *generic = mnl_nlmsg_get_payload(message);
        const struct nfqnl_msg_packet_hdr *header;
        struct nlattr *attributes[NFQA_MAX + 1] = {};
        enum nfqnl_attr_type interface;

        if ((message->nlmsg_type & 0xff) != NFQNL_MSG_PACKET ||
            nfq_nlmsg_parse(message, attributes) < 0 || !attributes[NFQA_PACKET_HDR])
                return false;
        header = mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]);
        *ret_packet = (struct packet_queue_packet){
                .held = { ntohl(header->packet_id),
                          ntohs(generic->res_id) == queue->closed_number },
                .direction = header->hook == NF_INET_LOCAL_IN ? NX_DIRECTION_INBOUND
                                                              : NX_DIRECTION_OUTBOUND,
        };
        interface = ret_packet->direction == NX_DIRECTION_INBOUND ? NFQA_IFINDEX_INDEV
                                                                  : NFQA_IFINDEX_OUTDEV;
        if (attributes[interface])
                ret_packet->interface = ntohl(mnl_attr_get_u32(attributes[interface]));
        if (attributes[NFQA_PAYLOAD]) {
                ret_packet->bytes = mnl_attr_get_payload(attributes[NFQA_PAYLOAD]);
                ret_packet->size = mnl_attr_get_payload_len(attributes[NFQA_PAYLOAD]);
        }
        return true;
}

int packet_queue_receive(struct packet_queue *queue, packet_queue_fn *fn, void *userdata)
{
        struct mmsghdr headers[BATCH] = {};
        struct iovec iovs[BATCH];
        struct packet_queue_packet packet;
        int n;

        for (int i = 0; i < BATCH; i++) {
                iovs[i] = (struct iovec){ queue->messages[i], MESSAGE_MAX };
                headers[i].msg_hdr.msg_iov = &iovs[i];
                headers[i].msg_hdr.msg_iovlen = 1;
        }
        n = recvmmsg(queue->fd, headers, BATCH, MSG_DONTWAIT, NULL);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
        for (int i = 0; i < n; i++) {
                const struct nlmsghdr *message = (struct nlmsghdr *)queue->messages[i];

                if (mnl_nlmsg_ok(message, (int)headers[i].msg_len) &&
                    parse(queue, message, &packet))
                        fn(&packet, userdata);
        }
        return 0;
}

void packet_queue_decide(struct packet_queue *queue, struct packet_held held, bool is_allowed)
{
        uint16_t number = held.is_closed ? queue->closed_number : queue->open_number;
        struct nlmsghdr *message;

        if (sizeof(queue->verdicts) - queue->verdicts_size < VERDICT_MAX)
                packet_queue_flush(queue);
        message = nfq_nlmsg_put((char *)queue->verdicts + queue->verdicts_size, NFQNL_MSG_VERDICT,
                                number);
        nfq_nlmsg_verdict_put(message, (int)held.id, is_allowed ? NF_ACCEPT : NF_DROP);
        queue->verdicts_size += MNL_ALIGN(message->nlmsg_len);
}

void packet_queue_flush(struct packet_queue *queue)
{
        if (queue->verdicts_size > 0)
                (void)nfqueue_send(queue->fd, queue->verdicts, queue->verdicts_size);
        queue->verdicts_size = 0;
}
