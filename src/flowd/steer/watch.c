/* SPDX-License-Identifier: Apache-2.0 */

/* As steer/queue.c, for few and large packets. A token is the packet's mark and number. */

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
#include "steer/watch.h"
#include "wire/table.h"

#define BATCH         16
#define HEADERS_MAX   256 /* before a datagram's bytes */
#define COPY_SIZE     (WIRE_DATA_MAX + HEADERS_MAX)
#define MESSAGE_MAX   (COPY_SIZE + 512)
#define VERDICT_MAX   64
#define QUEUE_LENGTH  4096
#define NUMBER_OFFSET 20000 /* behind those of steer/queue.c */
#define BIND_TRIES    64

struct watch {
        int fd;
        uint16_t number;
        uint32_t mark_mask;
        size_t verdicts_size;
        uint8_t verdicts[BATCH * VERDICT_MAX];
        uint8_t messages[BATCH][MESSAGE_MAX];
};

DEFINE_CLEANUP(struct watch *, watch, watch_close)

static int bind_any(struct watch *watch, uint16_t first)
{
        const struct nfqueue_config config = { .copy_size = COPY_SIZE, .length = QUEUE_LENGTH };
        int r = -EBUSY;

        for (uint16_t i = 0; i < BIND_TRIES && (r == -EBUSY || r == -EPERM); i++) {
                watch->number = first + i;
                r = nfqueue_bind(watch->fd, watch->number, &config);
        }
        return r;
}

int watch_open(struct watch **ret_watch, uint16_t hold_queue, uint32_t mark_mask)
{
        _cleanup_(cleanup_watch) struct watch *watch = calloc(1, sizeof(*watch));
        int r;

        if (!watch)
                return -ENOMEM;
        watch->mark_mask = mark_mask;
        watch->fd = nfqueue_open();
        if (watch->fd < 0)
                return watch->fd;
        r = bind_any(watch, hold_queue + NUMBER_OFFSET);
        if (r >= 0)
                r = nfqueue_set_up(watch->fd);
        if (r < 0)
                return r;
        *ret_watch = take_ptr(watch);
        return 0;
}

struct watch *watch_close(struct watch *watch)
{
        if (!watch)
                return NULL;
        close_fd(watch->fd);
        free(watch);
        return NULL;
}

int watch_fd(const struct watch *watch)
{
        return watch->fd;
}

uint16_t watch_number(const struct watch *watch)
{
        return watch->number;
}

static bool parse(const struct nlmsghdr *message, struct watch_packet *ret_packet)
{
        const struct nfqnl_msg_packet_hdr *header;
        struct nlattr *attributes[NFQA_MAX + 1] = {};
        uint64_t mark = 0;

        if ((message->nlmsg_type & 0xff) != NFQNL_MSG_PACKET ||
            nfq_nlmsg_parse(message, attributes) < 0 || !attributes[NFQA_PACKET_HDR] ||
            !attributes[NFQA_PAYLOAD])
                return false;
        header = mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]);
        if (attributes[NFQA_MARK])
                mark = ntohl(mnl_attr_get_u32(attributes[NFQA_MARK]));
        *ret_packet = (struct watch_packet){
                .token = mark << 32 | ntohl(header->packet_id),
                .is_inbound = header->hook == NF_INET_LOCAL_IN,
                .bytes = mnl_attr_get_payload(attributes[NFQA_PAYLOAD]),
                .size = mnl_attr_get_payload_len(attributes[NFQA_PAYLOAD]),
        };
        if (attributes[NFQA_CAP_LEN])
                ret_packet->n_left_out =
                        ntohl(mnl_attr_get_u32(attributes[NFQA_CAP_LEN])) - ret_packet->size;
        return true;
}

int watch_receive(struct watch *watch, watch_packet_fn *fn, void *userdata)
{
        struct mmsghdr headers[BATCH] = {};
        struct iovec iovs[BATCH];
        struct watch_packet packet;
        int n;

        for (int i = 0; i < BATCH; i++) {
                iovs[i] = (struct iovec){ watch->messages[i], MESSAGE_MAX };
                headers[i].msg_hdr.msg_iov = &iovs[i];
                headers[i].msg_hdr.msg_iovlen = 1;
        }
        n = recvmmsg(watch->fd, headers, BATCH, MSG_DONTWAIT, NULL);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
        for (int i = 0; i < n; i++) {
                const struct nlmsghdr *message = (struct nlmsghdr *)watch->messages[i];

                if (mnl_nlmsg_ok(message, (int)headers[i].msg_len) && parse(message, &packet))
                        fn(&packet, userdata);
        }
        return 0;
}

void watch_decide(struct watch *watch, uint64_t token, enum mark mark)
{
        uint32_t bits =
                ((uint32_t)(token >> 32) & ~watch->mark_mask) | mark_bits(mark, watch->mark_mask);
        struct nlmsghdr *message;

        if (sizeof(watch->verdicts) - watch->verdicts_size < VERDICT_MAX)
                watch_flush(watch);
        message = nfq_nlmsg_put((char *)watch->verdicts + watch->verdicts_size, NFQNL_MSG_VERDICT,
                                watch->number);
        nfq_nlmsg_verdict_put(message, (int)(uint32_t)token, NF_REPEAT);
        nfq_nlmsg_verdict_put_mark(message, bits);
        watch->verdicts_size += MNL_ALIGN(message->nlmsg_len);
}

void watch_flush(struct watch *watch)
{
        if (watch->verdicts_size > 0)
                (void)nfqueue_send(watch->fd, watch->verdicts, watch->verdicts_size);
        watch->verdicts_size = 0;
}
