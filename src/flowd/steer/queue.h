/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The NFQUEUE socket: packets that wait in the kernel for a verdict, and the verdicts.
 * One socket serves two queues: undecided packets, and name servers' answers.
 *
 * The queues live as long as the socket. netextd holds a duplicate, so that packets stay
 * held while flowd is replaced; the next flowd sends them round again (queue_adopt()).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steer/mark.h"

struct queue;

struct queue_packet {
        uint32_t id;
        uint32_t mark;      /* the packet's, with everybody's bits */
        uint32_t interface; /* that it leaves or came in through; 0: none is known */
        bool is_answer;
        bool is_stray;        /* of a delivered flow whose socket was not there */
        bool is_inbound;      /* it came in, and is no answer */
        bool is_for_group;    /* the same, and it is for a multicast group, or for all of a network */
        const uint8_t *bytes; /* from the network header; borrowed during the call */
        size_t size;          /* of bytes: at most what the queue copies */
};

#define QUEUE_BATCH  32
#define QUEUE_LENGTH 16384 /* packets that wait: of one program a part, see chain/quota.h */

/* n: QUEUE_BATCH at most. */
typedef void queue_batch_fn(const struct queue_packet *packets, size_t n, void *userdata);

/* A packet that waits, and what its verdict needs. */
struct queue_held {
        uint32_t id;
        uint32_t mark;
};

/* Binds two queues from a number on that follows from seed, the first pair that is free. */
int queue_open(struct queue **ret_queue, uint64_t seed, uint32_t mark_mask);
/*
 * Takes over fd, the socket of an earlier flowd that used first_queue and read packets up
 * to last_packet and answers up to last_answer: those whose verdict it owed are queued again.
 */
int queue_adopt(struct queue **ret_queue, int fd, uint16_t first_queue, uint32_t last_packet,
                uint32_t last_answer, uint32_t mark_mask);
/* NULL in, NULL out. */
struct queue *queue_close(struct queue *queue);

int queue_fd(struct queue *queue);
uint16_t queue_hold_number(struct queue *queue);
uint16_t queue_answers_number(struct queue *queue);

/* Does it wait behind others of its flow? */
bool queue_is_lined(const struct queue *queue, struct queue_held held);
/* Calls fn with what is there, a batch at most. 0 or a negative errno. */
int queue_receive(struct queue *queue, queue_batch_fn *fn, void *userdata);
/* The packet runs through our chains again with this mark. Sent by queue_flush(). */
void queue_decide(struct queue *queue, struct queue_held held, enum mark mark);
/* Lets a name server's answer go on. */
void queue_release_answer(struct queue *queue, struct queue_held held);
void queue_flush(struct queue *queue);
