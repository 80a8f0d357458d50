/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A worker: a thread with an epoll of its own and the flows that were given to it.
 *
 * Whose a relay is:
 *   open       the worker's; the loop's thread may mark it to be cut   in `open`, by_id
 *   finished   the worker's, until no event of its round can name it   in `finished`
 *   ended      the loop's thread's, which tells it and frees it        in `ended`
 * The lock is taken when that changes, never to carry bytes.
 */

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/htable.h"
#include "base/list.h"
#include "relay/stream.h"

struct relay {
        struct list link;  /* worker.open, .finished or .ended */
        struct list again; /* worker.again */
        struct list cut;   /* worker.cuts */
        struct htable_link by_id;
        uint64_t id;
        int error;            /* of the cut, then of the end */
        atomic_bool is_added; /* by worker_add(), to the epoll: both sides */
        struct side app;
        struct side upstream;
        struct stream outbound;
        struct stream inbound;
};

struct worker {
        pthread_t thread;
        sem_t started;
        bool is_running;
        int epoll_fd;
        int wake_fd; /* the loop's thread wakes the worker */
        int news_fd; /* the worker wakes the loop's thread; the pool's */
        atomic_bool stops;
        unsigned long n_rounds_seen; /* by worker_check() */
        atomic_bool is_watched;      /* by worker_check(); else its next round is news */

        pthread_mutex_t adding; /* while a relay's sockets come into the epoll */
        pthread_mutex_t lock;
        struct list open;    /* relay.link; under the lock */
        struct htable by_id; /* those, under the lock */
        struct list cuts;    /* relay.cut; under the lock */
        struct list ended;   /* relay.link; under the lock */

        /* Written by the worker alone, read by anybody. */
        atomic_ulong n_bytes;
        atomic_bool is_in_round;
        atomic_ulong n_rounds;
        atomic_ulong n_pipes;
        atomic_ulong n_open; /* but for this one: also by worker_add() */

        /* The worker's own. */
        struct list again;    /* relay.again: had their turn, have more to do */
        struct list finished; /* relay.link */
        struct means means;
};

/* Returns when the thread runs. news_fd is borrowed: relays have ended, or there is work again.
 * worker_stop() also after a failure. */
int worker_start(struct worker *worker, int news_fd);
/* Ends the thread and resets what is open. */
void worker_stop(struct worker *worker);

/* Handed over: from now on the worker closes the sockets and ends the relay, whatever happens. */
void worker_add(struct worker *worker, struct relay *relay);
/* False if it has no such flow. */
bool worker_cut(struct worker *worker, uint64_t id, int error);
/* To be called now and then: a worker that is in the same round as the last time is interrupted.
 * False: it has nothing to do, and need not be looked at before it has. */
bool worker_check(struct worker *worker);
/* Moves the relays that ended to the end of the list; they are the caller's. */
void worker_take_ended(struct worker *worker, struct list *list);
