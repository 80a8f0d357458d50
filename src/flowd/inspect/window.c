/* SPDX-License-Identifier: Apache-2.0 */

/*
 * malloc() keeps what is given back, so memory for a while is cheap. The pool counts what
 * windows have, not what they hold: a bound that is never exceeded.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "inspect/window.h"

/* Less room than this is not worth a read. */
#define ROOM_MIN (16 * 1024)

void window_pool_init(struct window_pool *pool, size_t size_max, window_ready_fn *ready)
{
        *pool = (struct window_pool){ .size_max = size_max, .ready = ready };
        list_init(&pool->waiting);
        list_init(&pool->holding);
}

bool window_pool_is_short(const struct window_pool *pool)
{
        return !list_is_empty(&pool->waiting);
}

struct window *window_pool_find_stalled(const struct window_pool *pool, uint64_t since_ns)
{
        struct window *window = list_first(&pool->holding, struct window, holding);

        return window && window_pool_is_short(pool) && window->moved_ns < since_ns ? window : NULL;
}

static void note_move(struct window *window)
{
        window->moved_ns = now_ns();
        list_remove(&window->holding);
        list_append(&window->pool->holding, &window->holding);
}

static bool pool_has(const struct window_pool *pool, size_t size)
{
        return size <= pool->size_max - pool->size;
}

static int window_allocate(struct window *window)
{
        window->bytes = malloc(window->first_size);
        if (!window->bytes)
                return -ENOMEM;
        window->start = window->end = 0;
        window->size = window->first_size;
        window->pool->size += window->size;
        note_move(window);
        return 0;
}

/* Memory came back, or one that waited has left: who can go on now? */
static void pool_serve(struct window_pool *pool)
{
        struct window *window;

        while ((window = list_first(&pool->waiting, struct window, waiting)) &&
               pool_has(pool, window->first_size) && window_allocate(window) >= 0) {
                list_remove(&window->waiting);
                pool->ready(window);
        }
}

void window_init(struct window *window, struct window_pool *pool, size_t first_size,
                 size_t size_max)
{
        *window = (struct window){ .pool = pool, .first_size = first_size, .size_max = size_max };
        list_init(&window->waiting);
        list_init(&window->holding);
}

static void window_give_back(struct window *window)
{
        list_remove(&window->holding);
        window->pool->size -= window->size;
        free(take_ptr(window->bytes));
        window->start = window->end = window->size = 0;
        pool_serve(window->pool);
}

void window_deinit(struct window *window)
{
        bool waited = !list_is_empty(&window->waiting);

        list_remove(&window->waiting);
        if (window->bytes)
                window_give_back(window);
        else if (waited)
                pool_serve(window->pool);
}

static int window_open(struct window *window)
{
        struct window_pool *pool = window->pool;

        if (!list_is_empty(&window->waiting))
                return 0;
        if (list_is_empty(&pool->waiting) && pool_has(pool, window->first_size))
                return window_allocate(window);
        list_append(&pool->waiting, &window->waiting);
        return 0;
}

static void window_move(struct window *window)
{
        memmove(window->bytes, window_start(window), window_held(window));
        window->end -= window->start;
        window->start = 0;
}

/* False if it may not, or there is no memory: then it stays as it is. */
static bool window_grow(struct window *window)
{
        size_t size = 2 * window->size < window->size_max ? 2 * window->size : window->size_max;
        char *bytes;

        if (size <= window->size ||
            window->pool->size + size - window->size > window->pool->size_max / 2)
                return false;
        window_move(window);
        bytes = realloc(window->bytes, size);
        if (!bytes)
                return false;
        window->bytes = bytes;
        window->pool->size += size - window->size;
        window->size = size;
        return true;
}

static void window_widen(struct window *window)
{
        if (window->start > 0 && window->start >= window_held(window))
                window_move(window);
        else if (!window_grow(window) && window->start >= window->size / 4)
                window_move(window);
}

int window_make_room(struct window *window, size_t *ret_room)
{
        int r = window->bytes ? 0 : window_open(window);

        if (r < 0)
                return r;
        if (window->bytes && window->size - window->end < ROOM_MIN)
                window_widen(window);
        *ret_room = window->size - window->end;
        return 0;
}

void window_add(struct window *window, size_t size)
{
        window->end += size;
        note_move(window);
}

void window_remove(struct window *window, size_t size)
{
        window->start += size;
        note_move(window);
        if (window->start == window->end)
                window->start = window->end = 0;
}

void window_rest(struct window *window)
{
        if (window->bytes && window_held(window) == 0)
                window_give_back(window);
}
