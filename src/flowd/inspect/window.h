/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bytes that were received and may not leave yet, in one piece of memory: so a question is a
 * pointer, and all that is released goes out in one call.
 *
 *      bytes            start            end             size
 *        │     gone      │      held      │     room      │
 *
 * A window has memory only while it holds something. It grows while it is full, and moves its
 * bytes to the front when that costs at most three bytes moved for one that left. All windows of
 * a pool together have a bound: who finds no memory there waits in line. Half of it is for those
 * that have none yet, so windows do not grow into that.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct window;

/* A window that waited has memory now. */
typedef void window_ready_fn(struct window *window);

struct window_pool {
        size_t size;         /* of all windows */
        size_t size_max;     /* at least the largest first_size */
        struct list waiting; /* window.waiting, longest first */
        struct list holding; /* window.holding: have memory, the longest unmoved first */
        window_ready_fn *ready;
};

struct window {
        struct window_pool *pool;
        char *bytes; /* NULL: no memory, and nothing held */
        size_t start, end, size;
        size_t first_size; /* three quarters of it always find room, however slow the reader */
        size_t size_max;
        struct list waiting; /* window_pool.waiting */
        struct list holding; /* window_pool.holding */
        uint64_t moved_ns;   /* when bytes last came or left */
};

void window_pool_init(struct window_pool *pool, size_t size_max, window_ready_fn *ready);

bool window_pool_is_short(const struct window_pool *pool); /* somebody waits */
/* Whose memory should be somebody else's: no byte of it came or left since since_ns, and none of
 * another one for longer. NULL: nobody waits, or all move. */
struct window *window_pool_find_stalled(const struct window_pool *pool, uint64_t since_ns);

/* pool is borrowed until window_deinit(). */
void window_init(struct window *window, struct window_pool *pool, size_t first_size,
                 size_t size_max);
/* Drops what it holds. It can be called again. */
void window_deinit(struct window *window);

/* How much can be written at window_end(): 0 if it is full or waits for memory. 0 or -ENOMEM. */
int window_make_room(struct window *window, size_t *ret_room);
/* So much was written there. */
void window_add(struct window *window, size_t size);
/* The first held bytes have left. */
void window_remove(struct window *window, size_t size);
/* Gives the memory back, if nothing is held. */
void window_rest(struct window *window);

static inline size_t window_held(const struct window *window)
{
        return window->end - window->start;
}

static inline char *window_start(const struct window *window)
{
        return window->bytes + window->start;
}

static inline char *window_end(const struct window *window)
{
        return window->bytes + window->end;
}
