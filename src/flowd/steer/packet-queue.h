/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Two queues of the kernel's, for packets that packet filters are asked about one by one: of those
 * that some closed session wants to see, and of the others. They differ in what becomes of packets
 * that find no room. Whole packets are copied (up to 64 KiB), also those that will be segmented
 * later. The queues go with flowd, and what waits in them, as packets may.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netext/netext.h>

#define PACKET_QUEUE_BATCH 16

struct packet_queue;

/* A packet that waits, for its verdict. */
struct packet_held {
        uint32_t id;
        bool is_closed; /* which of the queues */
};

struct packet_queue_packet {
        struct packet_held held;
        enum nx_direction direction;
        uint32_t interface;   /* that it leaves or came in through; 0: none is known */
        const uint8_t *bytes; /* from the network header; borrowed during the call */
        size_t size;
};

typedef void packet_queue_fn(const struct packet_queue_packet *packet, void *userdata);

/* 0, -EBUSY or -EPERM for a number that is taken, or another negative errno. */
int packet_queue_open(struct packet_queue **ret_queue, uint16_t open_number,
                      uint16_t closed_number);
/* What waits is dropped. NULL in, NULL out. */
struct packet_queue *packet_queue_close(struct packet_queue *queue);

int packet_queue_fd(const struct packet_queue *queue);
/* Calls fn for what is there, a batch at most. 0 or a negative errno. */
int packet_queue_receive(struct packet_queue *queue, packet_queue_fn *fn, void *userdata);
/* Sent by packet_queue_flush(). */
void packet_queue_decide(struct packet_queue *queue, struct packet_held held, bool is_allowed);
void packet_queue_flush(struct packet_queue *queue);
