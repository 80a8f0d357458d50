/* SPDX-License-Identifier: Apache-2.0 */

/* fuzz-sources: src/flowd/steer/queue.c src/flowd/steer/packet-queue.c */
/* fuzz-sources: src/flowd/flow/packet.c src/base/endpoint.c */
/* fuzz-flags: -lmnl -lnetfilter_queue */

/*
 * What the kernel says in its queues, once as the queue of flows reads it and once as that of
 * packets does. Every byte of a packet that is told can be read, each is told once at most, and
 * each is answered.
 */

#include "base/cleanup.h"
#include "flow/packet.h"
#include "steer/nfqueue.h"
#include "steer/packet-queue.h"
#include "steer/queue.h"

#include "datagrams.h"

#define MARK_MASK 0x0f000000U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int theirs = -1; /* the kernel's end of the queue that is open */
static size_t n_told;

/* In the place of steer/nfqueue.c. */

int nfqueue_open(void)
{
        int fds[2];

        datagram_pair(fds);
        theirs = fds[1];
        return fds[0];
}

int nfqueue_bind(int fd, uint16_t number, const struct nfqueue_config *config)
{
        return 0;
}

void nfqueue_unbind(int fd, uint16_t number)
{
}

int nfqueue_set_up(int fd)
{
        return 0;
}

int nfqueue_send(int fd, const void *bytes, size_t size)
{
        if (size == 0)
                abort();
        return 0;
}

static void read_all(const uint8_t *bytes, size_t size)
{
        static volatile uint8_t sum;
        struct packet packet;

        for (size_t i = 0; i < size; i++)
                sum += bytes[i];
        if (size > 0)
                (void)packet_parse(bytes, size, &packet);
        n_told++;
}

static void on_batch(const struct queue_packet *packets, size_t n, void *userdata)
{
        struct queue *queue = userdata;

        for (size_t i = 0; i < n; i++) {
                const struct queue_held held = { packets[i].id, packets[i].mark };

                read_all(packets[i].bytes, packets[i].size);
                if (packets[i].is_answer)
                        queue_release_answer(queue, held);
                else
                        queue_decide(queue, held, MARK_PASS);
        }
}

static void on_packet(const struct packet_queue_packet *packet, void *userdata)
{
        read_all(packet->bytes, packet->size);
        packet_queue_decide(userdata, packet->held, true);
}

static void try_flows(const uint8_t *data, size_t size)
{
        struct queue *queue;
        size_t n_sent = 0;

        if (queue_open(&queue, 1, MARK_MASK) < 0)
                abort();
        for (n_told = 0; send_datagram(theirs, &data, &size); n_sent++)
                if (queue_receive(queue, on_batch, queue) < 0)
                        abort();
        queue_flush(queue);
        queue_close(queue);
        if (n_told > n_sent)
                abort();
}

static void try_packets(const uint8_t *data, size_t size)
{
        struct packet_queue *queue;
        size_t n_sent = 0;

        if (packet_queue_open(&queue, 1, 2) < 0)
                abort();
        for (n_told = 0; send_datagram(theirs, &data, &size); n_sent++)
                if (packet_queue_receive(queue, on_packet, queue) < 0)
                        abort();
        packet_queue_flush(queue);
        packet_queue_close(queue);
        if (n_told > n_sent)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        try_flows(data, size);
        theirs = close_fd(theirs);
        try_packets(data, size);
        theirs = close_fd(theirs);
        return 0;
}
