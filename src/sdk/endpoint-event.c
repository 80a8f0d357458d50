/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who is behind gets the newest events, and is told how many older ones are missing. One event
 * stands in many queues and is there once.
 */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sdk/endpoint-event.h"

struct event *event_new(uint64_t number, const void *bytes, size_t size)
{
        struct event *event = malloc(sizeof(*event) + size);

        if (!event)
                return NULL;
        event->n_refs = 1;
        event->number = number;
        event->size = size;
        if (size > 0)
                memcpy(event->bytes, bytes, size);
        return event;
}

struct event *event_unref(struct event *event)
{
        if (event && --event->n_refs == 0)
                free(event);
        return NULL;
}

struct event *event_queue_peek(const struct event_queue *queue)
{
        return queue->n_events > 0 ? queue->ring[queue->first] : NULL;
}

static void drop_first(struct event_queue *queue)
{
        struct event *first = event_queue_peek(queue);

        queue->n_bytes -= first->size;
        queue->first = (queue->first + 1) % EVENT_QUEUE_MAX;
        queue->n_events--;
        event_unref(first);
}

void event_queue_pop(struct event_queue *queue)
{
        queue->n_dropped = 0;
        drop_first(queue);
        if (queue->n_events == 0)
                free(take_ptr(queue->ring));
}

static unsigned int make_room(struct event_queue *queue, size_t size)
{
        unsigned int n_dropped = 0;

        while (queue->n_events == EVENT_QUEUE_MAX ||
               (queue->n_events > 0 && queue->n_bytes + size > EVENT_QUEUE_BYTES_MAX)) {
                drop_first(queue);
                n_dropped++;
        }
        return n_dropped;
}

/* The note is a number that a frame can carry. */
static unsigned int note_dropped(struct event_queue *queue, unsigned int n)
{
        queue->n_dropped = queue->n_dropped > INT32_MAX - n ? INT32_MAX : queue->n_dropped + n;
        return n;
}

unsigned int event_queue_put(struct event_queue *queue, struct event *event)
{
        unsigned int n_dropped;

        if (!queue->ring) {
                queue->ring = calloc(EVENT_QUEUE_MAX, sizeof(struct event *));
                queue->first = 0;
        }
        if (!queue->ring)
                return note_dropped(queue, 1);
        n_dropped = make_room(queue, event->size);
        queue->ring[(queue->first + queue->n_events++) % EVENT_QUEUE_MAX] = event;
        queue->n_bytes += event->size;
        event->n_refs++;
        return note_dropped(queue, n_dropped);
}

void event_queue_move(struct event_queue *to, struct event_queue *from)
{
        event_queue_deinit(to);
        *to = *from;
        *from = (struct event_queue){};
}

void event_queue_deinit(struct event_queue *queue)
{
        while (queue->n_events > 0)
                drop_first(queue);
        free(queue->ring);
        *queue = (struct event_queue){};
}
