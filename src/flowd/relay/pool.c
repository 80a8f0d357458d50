/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The pool spreads flows over its workers and tells their ends in the loop's thread. It keeps
 * no table of its own: the few who want a flow by its number ask each worker.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/socket.h"
#include "relay/relay.h"
#include "relay/worker.h"

#define WORKERS_MAX 4
/* Between two looks at the workers, while they work. */
#define CHECK_NS (100 * 1000 * 1000ULL)
/* Flows that end in the same moment wake the loop's thread once. */
#define GATHER_NS (5 * 1000 * 1000ULL)

struct relay_pool {
        struct loop *loop;
        struct loop_io io;        /* wakes for the first news */
        struct loop_timer gather; /* runs instead of io while more are ending */
        struct loop_timer check;  /* stands still while no worker has anything to do */
        bool is_checking;
        int news_fd;
        relay_ended_fn *fn;
        void *userdata;
        unsigned int n_workers;
        struct worker workers[WORKERS_MAX];
};

static void cleanup_pool(struct relay_pool **pool)
{
        relay_pool_free(*pool);
}

static void pool_tell(struct relay_pool *pool, const struct relay *relay)
{
        const struct relay_end end = {
                .id = relay->id,
                .error = relay->error,
                .bytes_outbound = relay->outbound.n_bytes,
                .bytes_inbound = relay->inbound.n_bytes,
        };

        pool->fn(&end, pool->userdata);
}

static void pool_start_check(struct relay_pool *pool)
{
        if (!pool->is_checking)
                loop_timer_start(pool->loop, &pool->check, now_ns() + CHECK_NS);
        pool->is_checking = true;
}

static bool pool_tell_ended(struct relay_pool *pool)
{
        struct list ended = LIST_INIT(ended);
        struct relay *relay;
        bool has_told = false;
        uint64_t n;

        if (read(pool->news_fd, &n, sizeof(n)) > 0)
                pool_start_check(pool);
        for (unsigned int i = 0; i < pool->n_workers; i++)
                worker_take_ended(&pool->workers[i], &ended);
        while ((relay = list_first(&ended, struct relay, link))) {
                list_remove(&relay->link);
                pool_tell(pool, relay);
                free(relay);
                has_told = true;
        }
        return has_told;
}

static int pool_handle_news(uint32_t events, void *userdata)
{
        struct relay_pool *pool = userdata;

        (void)pool_tell_ended(pool);
        loop_remove(pool->loop, &pool->io);
        loop_timer_start(pool->loop, &pool->gather, now_ns() + GATHER_NS);
        return 0;
}

static int pool_watch(struct relay_pool *pool)
{
        return loop_add(pool->loop, &pool->io, pool->news_fd, EPOLLIN, pool_handle_news, pool);
}

static int pool_handle_gathered(void *userdata)
{
        struct relay_pool *pool = userdata;

        if (!pool_tell_ended(pool))
                return pool_watch(pool);
        loop_timer_start(pool->loop, &pool->gather, now_ns() + GATHER_NS);
        return 0;
}

static int pool_handle_check(void *userdata)
{
        struct relay_pool *pool = userdata;
        bool is_busy = false;

        pool->is_checking = false;
        for (unsigned int i = 0; i < pool->n_workers; i++)
                is_busy |= worker_check(&pool->workers[i]);
        if (is_busy)
                pool_start_check(pool);
        return 0;
}

/* Half of the CPUs are left to those whose bytes these are. More workers than that have less to do
 * each time that they wake, and wake more often. */
static unsigned int n_workers_wanted(void)
{
        long n = sysconf(_SC_NPROCESSORS_ONLN) / 2;

        return n < 1 ? 1 : n < WORKERS_MAX ? (unsigned int)n : WORKERS_MAX;
}

static int pool_start_workers(struct relay_pool *pool)
{
        unsigned int n_wanted = n_workers_wanted();
        int r = 0;

        while (pool->n_workers < n_wanted && r >= 0)
                r = worker_start(&pool->workers[pool->n_workers++], pool->news_fd);
        return r;
}

int relay_pool_new(struct relay_pool **ret_pool, struct loop *loop, relay_ended_fn *fn,
                   void *userdata)
{
        _cleanup_(cleanup_pool) struct relay_pool *pool = calloc(1, sizeof(*pool));
        int r;

        if (!pool)
                return -ENOMEM;
        *pool = (struct relay_pool){
                .loop = loop, .io = LOOP_IO_NULL, .fn = fn, .userdata = userdata
        };
        loop_timer_init(&pool->check, pool_handle_check, pool);
        loop_timer_init(&pool->gather, pool_handle_gathered, pool);
        pool->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (pool->news_fd < 0)
                return -errno;
        r = pool_watch(pool);
        if (r >= 0)
                r = pool_start_workers(pool);
        if (r < 0)
                return r;
        *ret_pool = take_ptr(pool);
        return 0;
}

struct relay_pool *relay_pool_free(struct relay_pool *pool)
{
        if (!pool)
                return NULL;
        for (unsigned int i = 0; i < pool->n_workers; i++)
                worker_stop(&pool->workers[i]);
        loop_remove(pool->loop, &pool->io);
        loop_timer_stop(&pool->gather);
        loop_timer_stop(&pool->check);
        close_fd(pool->news_fd);
        free(pool);
        return NULL;
}

/* As the listener makes the app's, but for O_NONBLOCK, which only splice(2) needs. Small writes are
 * the programs' own choice; the relay must not hold them back once more. A close() is a reset until
 * the relay has carried everything. */
static int upstream_prepare(int fd)
{
        const int one = 1;

        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* or it is not TCP */
        return socket_set_reset_on_close(fd, true);
}

/* What has arrived already, epoll reports at the registration; a connected socket has room. */
static void side_init(struct side *side, struct relay *relay, int fd)
{
        *side = (struct side){ .relay = relay, .fd = fd, .writable = true };
}

static struct relay *relay_new(uint64_t id, int app_fd, int upstream_fd)
{
        struct relay *relay = calloc(1, sizeof(*relay));

        if (!relay)
                return NULL;
        relay->id = id;
        list_init(&relay->link);
        list_init(&relay->again);
        list_init(&relay->cut);
        side_init(&relay->app, relay, app_fd);
        side_init(&relay->upstream, relay, upstream_fd);
        relay->upstream.is_shared = true;
        relay->outbound = (struct stream){ .from = &relay->app, .to = &relay->upstream };
        relay->inbound = (struct stream){ .from = &relay->upstream, .to = &relay->app };
        return relay;
}

static struct worker *pool_idlest_worker(struct relay_pool *pool)
{
        struct worker *idlest = &pool->workers[0];

        for (unsigned int i = 1; i < pool->n_workers; i++)
                if (atomic_load(&pool->workers[i].n_open) < atomic_load(&idlest->n_open))
                        idlest = &pool->workers[i];
        return idlest;
}

int relay_pool_add(struct relay_pool *pool, uint64_t id, int app_fd, int upstream_fd)
{
        _cleanup_fd_ int app = app_fd, upstream = upstream_fd;
        struct relay *relay;
        int r;

        r = upstream_prepare(upstream);
        if (r < 0)
                return r;
        relay = relay_new(id, app, upstream);
        if (!relay)
                return -ENOMEM;
        take_fd(&app);
        take_fd(&upstream);
        worker_add(pool_idlest_worker(pool), relay);
        return 0;
}

void relay_pool_cut(struct relay_pool *pool, uint64_t id, int error)
{
        for (unsigned int i = 0; i < pool->n_workers; i++)
                if (worker_cut(&pool->workers[i], id, error))
                        return;
}

void relay_pool_count(const struct relay_pool *pool, struct relay_counts *ret_counts)
{
        struct relay_counts counts = {};

        for (unsigned int i = 0; i < pool->n_workers; i++) {
                const struct worker *worker = &pool->workers[i];

                counts.n_open += atomic_load_explicit(&worker->n_open, memory_order_relaxed);
                counts.n_bytes += atomic_load_explicit(&worker->n_bytes, memory_order_relaxed);
                counts.n_pipes += atomic_load_explicit(&worker->n_pipes, memory_order_relaxed);
                counts.n_rounds += atomic_load_explicit(&worker->n_rounds, memory_order_relaxed);
        }
        *ret_counts = counts;
}
