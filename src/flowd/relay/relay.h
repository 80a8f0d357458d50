/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Carries the bytes of opened TCP flows: from app to upstream (outbound) and back (inbound),
 * until both directions are over. Worker threads do it, one flow always by the same one; the
 * thread of the loop only adds, cuts and is told of ends.
 *
 * All of this is for the loop's thread. The process has to ignore SIGPIPE.
 */

#include <stdint.h>

struct loop;
struct relay_pool;

/* A flow that is over. Bytes are those that the receiving side's socket took. */
struct relay_end {
        uint64_t id;
        int error; /* 0: both sides closed; else both were reset, because of this negative errno */
        uint64_t bytes_outbound;
        uint64_t bytes_inbound;
};

/* Called from the loop; end is borrowed. May add and cut, but not free the pool. */
typedef void relay_ended_fn(const struct relay_end *end, void *userdata);

struct relay_counts {
        uint64_t n_open;
        uint64_t n_bytes; /* ever, both directions */
        uint64_t n_pipes;
        uint64_t n_rounds; /* wake-ups of the workers, ever */
};

/* Starts the workers: one for two CPUs, at most four. Before sandbox_enter(), which takes them in.
 * loop is borrowed until relay_pool_free(). */
int relay_pool_new(struct relay_pool **ret_pool, struct loop *loop, relay_ended_fn *fn,
                   void *userdata);
/* Resets what is open, without telling; NULL in, NULL out. */
struct relay_pool *relay_pool_free(struct relay_pool *pool);

/*
 * Both sockets are connected, and handed over, also on failure. id is the caller's; two open
 * flows never share one. After 0 the end is told, once; after a negative errno it is not.
 *
 * Nobody else may have app_fd open. It is as the listener makes it: it does not block, its close()
 * is a reset, and small writes leave at once. upstream_fd may have a duplicate elsewhere (an
 * extension that kept one); what its holder does to the socket is done to this flow. Who makes it
 * block, once bytes were spliced, makes a worker wait for a tick of the kernel's clock, or, if he
 * changes its time limits as well, for a second at most: then the flow ends with -EBADFD.
 */
int relay_pool_add(struct relay_pool *pool, uint64_t id, int app_fd, int upstream_fd);
/* Resets both sides now; the end will be told with error, a negative errno, unless another came
 * first. An id that is over is fine. */
void relay_pool_cut(struct relay_pool *pool, uint64_t id, int error);
/* For status; the counts are of slightly different moments. */
void relay_pool_count(const struct relay_pool *pool, struct relay_counts *ret_counts);
