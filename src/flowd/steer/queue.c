/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Receives in batches (recvmmsg) and answers in batches (one datagram of many verdicts).
 *
 * A verdict is NF_REPEAT with a mark: the packet meets our chain again, which acts on the
 * mark. Only our bits of it change. Where the queue is full or our buffer is, the kernel
 * lets the packet go on (NFQA_CFG_F_FAIL_OPEN) to the guard chain, where the fail policy
 * stands; GSO packets come whole (NFQA_CFG_F_GSO).
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "steer/nfqueue.h"
#include "steer/queue.h"

#define HEADERS_MAX 384  /* of an undecided packet: headers, and a DNS query's longest name */
#define ANSWER_MAX  4096 /* of a name server's answer */
#define MESSAGE_MAX (ANSWER_MAX + 512)
#define VERDICT_MAX 64
#define FIRST_QUEUE 20000
#define QUEUE_RANGE 20000
#define BIND_TRIES  64

struct queue {
        int fd;
        uint16_t first; /* undecided packets; first + 1: answers */
        uint32_t mark_mask;
        size_t verdicts_size;
        uint8_t verdicts[QUEUE_BATCH * VERDICT_MAX];
        uint8_t messages[QUEUE_BATCH][MESSAGE_MAX];
        struct iovec iovs[QUEUE_BATCH]; /* of messages */
        struct mmsghdr headers[QUEUE_BATCH];
};

static int bind_pair(struct queue *queue, uint16_t first)
{
        int r;

        r = nfqueue_bind(queue->fd, first,
                         &(struct nfqueue_config){ HEADERS_MAX, QUEUE_LENGTH, true });
        if (r < 0)
                return r;
        r = nfqueue_bind(queue->fd, first + 1,
                         &(struct nfqueue_config){ ANSWER_MAX, QUEUE_LENGTH, true });
        if (r < 0)
                nfqueue_unbind(queue->fd, first);
        else
                queue->first = first;
        return r;
}

DEFINE_CLEANUP(struct queue *, queue, queue_close)

static int queue_new(struct queue **ret_queue, int fd, uint32_t mark_mask)
{
        _cleanup_(cleanup_queue) struct queue *queue = calloc(1, sizeof(*queue));

        if (!queue) {
                close_fd(fd);
                return -ENOMEM;
        }
        queue->fd = fd;
        queue->mark_mask = mark_mask;
        for (int i = 0; i < QUEUE_BATCH; i++) {
                queue->iovs[i] = (struct iovec){ queue->messages[i], MESSAGE_MAX };
                queue->headers[i].msg_hdr.msg_iov = &queue->iovs[i];
                queue->headers[i].msg_hdr.msg_iovlen = 1;
        }
        *ret_queue = take_ptr(queue);
        return 0;
}

/* One message answers all packets up to an id; what was answered already is not concerned. */
static void repeat_up_to(struct queue *queue, uint16_t number, uint32_t last_packet)
{
        char buffer[256];
        struct nlmsghdr *message;

        message = nfq_nlmsg_put(buffer, NFQNL_MSG_VERDICT_BATCH, number);
        nfq_nlmsg_verdict_put(message, (int)last_packet, NF_REPEAT);
        (void)nfqueue_send(queue->fd, message, message->nlmsg_len);
}

int queue_open(struct queue **ret_queue, uint64_t seed, uint32_t mark_mask)
{
        _cleanup_(cleanup_queue) struct queue *queue = NULL;
        int fd, r;

        fd = nfqueue_open();
        if (fd < 0)
                return fd;
        r = queue_new(&queue, fd, mark_mask);
        if (r < 0)
                return r;
        for (int i = 0; i < BIND_TRIES; i++) {
                uint64_t pair = (seed + (uint64_t)i) % (QUEUE_RANGE / 2);

                r = bind_pair(queue, (uint16_t)(FIRST_QUEUE + 2 * pair));
                if (r != -EBUSY && r != -EPERM)
                        break;
        }
        if (r >= 0)
                r = nfqueue_set_up(fd);
        if (r < 0)
                return r;
        /* A table that a killed flowd left may already have sent us some. */
        repeat_up_to(queue, queue->first, INT32_MAX);
        *ret_queue = take_ptr(queue);
        return 0;
}

int queue_adopt(struct queue **ret_queue, int fd, uint16_t first_queue, uint32_t last_packet,
                uint32_t last_answer, uint32_t mark_mask)
{
        struct queue *queue;
        int r;

        r = queue_new(&queue, fd, mark_mask);
        if (r < 0)
                return r;
        queue->first = first_queue;
        repeat_up_to(queue, first_queue, last_packet);
        repeat_up_to(queue, first_queue + 1, last_answer);
        *ret_queue = queue;
        return 0;
}

struct queue *queue_close(struct queue *queue)
{
        if (!queue)
                return NULL;
        close_fd(queue->fd);
        free(queue);
        return NULL;
}

int queue_fd(struct queue *queue)
{
        return queue->fd;
}

uint16_t queue_hold_number(struct queue *queue)
{
        return queue->first;
}

uint16_t queue_answers_number(struct queue *queue)
{
        return queue->first + 1;
}

/* What comes in is never queued with that mark. */
bool queue_is_lined(const struct queue *queue, struct queue_held held)
{
        return (held.mark & queue->mark_mask) == mark_bits(MARK_LINED, queue->mark_mask);
}

static bool parse_packet(struct queue *queue, const struct nlmsghdr *message,
                         struct queue_packet *ret_packet)
{
        const struct nfgenmsg *generic = mnl_nlmsg_get_payload(message);
        const struct nfqnl_msg_packet_hdr *header;
        struct nlattr *attributes[NFQA_MAX + 1] = {};
        enum nfqnl_attr_type interface;

        if ((message->nlmsg_type & 0xff) != NFQNL_MSG_PACKET ||
            nfq_nlmsg_parse(message, attributes) < 0 || !attributes[NFQA_PACKET_HDR])
                return false;
        header = mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]);
        *ret_packet = (struct queue_packet){
                .id = ntohl(header->packet_id),
                .is_answer = ntohs(generic->res_id) != queue->first,
                .is_stray = header->hook == NF_INET_PRE_ROUTING,
        };
        ret_packet->is_inbound = header->hook == NF_INET_LOCAL_IN && !ret_packet->is_answer;
        interface = ret_packet->is_inbound ? NFQA_IFINDEX_INDEV : NFQA_IFINDEX_OUTDEV;
        if (attributes[NFQA_MARK])
                ret_packet->mark = ntohl(mnl_attr_get_u32(attributes[NFQA_MARK]));
        ret_packet->is_for_group =
                ret_packet->is_inbound && (ret_packet->mark & queue->mark_mask) ==
                                                  mark_bits(MARK_GROUP, queue->mark_mask);
        if (attributes[interface])
                ret_packet->interface = ntohl(mnl_attr_get_u32(attributes[interface]));
        if (attributes[NFQA_PAYLOAD]) {
                ret_packet->bytes = mnl_attr_get_payload(attributes[NFQA_PAYLOAD]);
                ret_packet->size = mnl_attr_get_payload_len(attributes[NFQA_PAYLOAD]);
        }
        return true;
}

/* The kernel sends each packet as a message of its own. */
int queue_receive(struct queue *queue, queue_batch_fn *fn, void *userdata)
{
        struct queue_packet packets[QUEUE_BATCH];
        size_t n_packets = 0;
        int n;

        n = recvmmsg(queue->fd, queue->headers, QUEUE_BATCH, MSG_DONTWAIT, NULL);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
        for (int i = 0; i < n; i++) {
                const struct nlmsghdr *message = (struct nlmsghdr *)queue->messages[i];

                if (mnl_nlmsg_ok(message, (int)queue->headers[i].msg_len) &&
                    parse_packet(queue, message, &packets[n_packets]))
                        n_packets++;
        }
        if (n_packets > 0)
                fn(packets, n_packets, userdata);
        return 0;
}

static void put_verdict(struct queue *queue, uint16_t number, struct queue_held held, int verdict,
                        const uint32_t *mark)
{
        struct nlmsghdr *message;

        if (sizeof(queue->verdicts) - queue->verdicts_size < VERDICT_MAX)
                queue_flush(queue);
        message = nfq_nlmsg_put((char *)queue->verdicts + queue->verdicts_size, NFQNL_MSG_VERDICT,
                                number);
        nfq_nlmsg_verdict_put(message, (int)held.id, verdict);
        if (mark)
                nfq_nlmsg_verdict_put_mark(message, *mark);
        queue->verdicts_size += MNL_ALIGN(message->nlmsg_len);
}

void queue_decide(struct queue *queue, struct queue_held held, enum mark mark)
{
        uint32_t bits = (held.mark & ~queue->mark_mask) | mark_bits(mark, queue->mark_mask);

        put_verdict(queue, queue->first, held, NF_REPEAT, &bits);
}

void queue_release_answer(struct queue *queue, struct queue_held held)
{
        put_verdict(queue, queue->first + 1, held, NF_ACCEPT, NULL);
}

void queue_flush(struct queue *queue)
{
        if (queue->verdicts_size == 0)
                return;
        (void)nfqueue_send(queue->fd, queue->verdicts, queue->verdicts_size);
        queue->verdicts_size = 0;
}
