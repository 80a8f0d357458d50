/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Events that wait, in their order, for an app that is behind or for one that is yet to come. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_QUEUE_MAX       1024
#define EVENT_QUEUE_BYTES_MAX (4 * 1024 * 1024)

struct event {
        unsigned int n_refs; /* of the queues that have it */
        uint64_t number;
        size_t size;
        uint8_t bytes[];
};

struct event_queue {
        struct event **ring; /* [EVENT_QUEUE_MAX], from the first that waits on; NULL while empty */
        size_t first, n_events, n_bytes;
        uint32_t n_dropped; /* before the first that waits, or that comes */
};

/* NULL: no memory. One reference is the caller's. */
struct event *event_new(uint64_t number, const void *bytes, size_t size);
struct event *event_unref(struct event *event);

/* Puts it behind the others, with a reference; what is too much goes at the front. Returns how
 * many were dropped; where memory is out, that is this one. */
unsigned int event_queue_put(struct event_queue *queue, struct event *event);
/* NULL: none waits. */
struct event *event_queue_peek(const struct event_queue *queue);
/* Takes the first away, and the note of what was dropped before it. */
void event_queue_pop(struct event_queue *queue);
/* Moves everything of from to the empty queue to. */
void event_queue_move(struct event_queue *to, struct event_queue *from);
void event_queue_deinit(struct event_queue *queue);
