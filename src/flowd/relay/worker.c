/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sockets are watched edge-triggered and registered once: a short flow costs two epoll_ctl()
 * in all, and a side that is not read from while the other one is stuck cannot wake the worker
 * over and over. Writability is watched only from the first time that a socket was full.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "relay/worker.h"

#define ROUND_EVENTS  64
#define BY_ID_BUCKETS 64

#define READ_EVENTS (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET)
/* With these a socket has more to say than the bytes that a short read returns. */
#define END_EVENTS (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)

/* Interrupts a worker that waits. Nobody else uses it, and by default it does nothing. */
#define WORKER_SIGNAL SIGURG

static void list_move_all(struct list *to, struct list *from)
{
        struct list *link;

        while (!list_is_empty(from)) {
                link = from->next;
                list_remove(link);
                list_append(to, link);
        }
}

static void wake(int event_fd)
{
        const uint64_t one = 1;

        /* Fails only when the counter is full, and then the other side is awake. */
        (void)!write(event_fd, &one, sizeof(one));
}

static void count(atomic_ulong *counter, unsigned long n)
{
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                              memory_order_relaxed);
}

/* --- the end of a relay --------------------------------------------------------------- */

/* Upstream may have a duplicate (relay.h), which would keep it in the epoll: it is taken out; the
 * app's socket has none, and its close() still is a reset. */
static void relay_close(struct relay *relay, struct worker *worker)
{
        if (!relay->error)
                (void)socket_set_reset_on_close(relay->app.fd, false);
        (void)socket_set_reset_on_close(relay->upstream.fd, relay->error);
        (void)epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, relay->upstream.fd, NULL);
        relay->app.fd = close_fd(relay->app.fd);
        relay->upstream.fd = close_fd(relay->upstream.fd);
        stream_deinit(&relay->outbound, &worker->means);
        stream_deinit(&relay->inbound, &worker->means);
        list_remove(&relay->again);
}

/* The first of its sockets may have an event before worker_add() has registered the other. */
static void relay_wait_until_added(struct relay *relay, struct worker *worker)
{
        if (atomic_load_explicit(&relay->is_added, memory_order_acquire))
                return;
        pthread_mutex_lock(&worker->adding);
        pthread_mutex_unlock(&worker->adding);
}

static void relay_finish(struct relay *relay, struct worker *worker, int error)
{
        relay_wait_until_added(relay, worker);
        pthread_mutex_lock(&worker->lock);
        htable_remove(&worker->by_id, &relay->by_id);
        list_remove(&relay->cut);
        list_remove(&relay->link);
        pthread_mutex_unlock(&worker->lock);

        relay->error = error;
        relay_close(relay, worker);
        list_append(&worker->finished, &relay->link);
        atomic_fetch_sub(&worker->n_open, 1);
}

/* --- what a round does ---------------------------------------------------------------- */

static int side_watch_writes(struct side *side, struct worker *worker)
{
        struct epoll_event event = { .events = READ_EVENTS | EPOLLOUT, .data.ptr = side };
        int r;

        if (side->writable || side->watches_writes)
                return 0;
        relay_wait_until_added(side->relay, worker);
        r = epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, side->fd, &event) < 0 ? -errno : 0;
        side->watches_writes = r == 0;
        return r;
}

static int relay_watch_writes(struct relay *relay, struct worker *worker)
{
        int r = side_watch_writes(&relay->app, worker);

        return r < 0 ? r : side_watch_writes(&relay->upstream, worker);
}

/* A write may meet a reset before the event of it came: what that side has sent before is
 * still to be read, and its peer gets it. Not as an orderly end, though. */
static void stream_carry_last_words(struct stream *back, struct means *means)
{
        if (back->to->is_broken)
                return;
        back->from->readable = true;
        (void)stream_carry(back, means);
}

static int relay_carry(struct stream *first, struct stream *second, struct means *means)
{
        int r = stream_pump(first, means), also;

        if (r < 0) {
                stream_carry_last_words(second, means);
                return r;
        }
        also = stream_pump(second, means);
        if (also < 0)
                stream_carry_last_words(first, means);
        return also == STREAM_WAITS ? r : also;
}

/* The outcome of one turn, with all that it asks for but the end. */
static int relay_carry_and_watch(struct relay *relay, struct worker *worker, struct stream *first,
                                 struct stream *second)
{
        int r = relay_carry(first, second, &worker->means);

        if (r == STREAM_E_TURN && list_is_empty(&relay->again))
                list_append(&worker->again, &relay->again);
        return r < 0 ? r : relay_watch_writes(relay, worker);
}

static void relay_turn(struct relay *relay, struct worker *worker, struct stream *first,
                       struct stream *second)
{
        uint64_t n_before = first->n_bytes + second->n_bytes;
        int r = relay_carry_and_watch(relay, worker, first, second);

        count(&worker->n_bytes, first->n_bytes + second->n_bytes - n_before);
        if (r < 0 || (first->is_over && second->is_over))
                relay_finish(relay, worker, r);
}

static int side_take_error(struct side *side)
{
        int error = 0;
        socklen_t size = sizeof(error);

        return getsockopt(side->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

static bool relay_is_finished(const struct relay *relay)
{
        return relay->app.fd < 0;
}

static void side_note_events(struct side *side, uint32_t events)
{
        side->readable |= (events & (EPOLLIN | END_EVENTS)) != 0;
        side->writable |= (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
        side->reads_to_end |= (events & END_EVENTS) != 0;
}

/* An error that no read or write met, because nothing was to be read or written there. */
static void relay_check_error(struct relay *relay, struct worker *worker, struct side *side)
{
        int r = side_take_error(side);

        if (r < 0)
                relay_finish(relay, worker, r);
}

static void side_event(struct side *side, struct worker *worker, uint32_t events)
{
        struct relay *relay = side->relay;
        bool is_app = side == &relay->app;

        if (relay_is_finished(relay))
                return;
        side_note_events(side, events);
        relay_turn(relay, worker, is_app ? &relay->outbound : &relay->inbound,
                   is_app ? &relay->inbound : &relay->outbound);
        if ((events & EPOLLERR) && !relay_is_finished(relay))
                relay_check_error(relay, worker, side);
}

static void worker_do_again(struct worker *worker)
{
        struct list again = LIST_INIT(again);
        struct relay *relay;

        list_move_all(&again, &worker->again);
        while ((relay = list_first(&again, struct relay, again))) {
                list_remove(&relay->again);
                relay_turn(relay, worker, &relay->outbound, &relay->inbound);
        }
}

static struct relay *worker_next_cut(struct worker *worker, int *ret_error)
{
        struct relay *relay;

        pthread_mutex_lock(&worker->lock);
        relay = list_first(&worker->cuts, struct relay, cut);
        if (relay) {
                list_remove(&relay->cut);
                *ret_error = relay->error;
        }
        pthread_mutex_unlock(&worker->lock);
        return relay;
}

static void worker_woken(struct worker *worker)
{
        struct relay *relay;
        uint64_t n;
        int error;

        (void)!read(worker->wake_fd, &n, sizeof(n));
        while ((relay = worker_next_cut(worker, &error)))
                relay_finish(relay, worker, error);
}

static void worker_publish(struct worker *worker)
{
        bool was_empty;

        if (list_is_empty(&worker->finished))
                return;
        pthread_mutex_lock(&worker->lock);
        was_empty = list_is_empty(&worker->ended);
        list_move_all(&worker->ended, &worker->finished);
        pthread_mutex_unlock(&worker->lock);
        if (was_empty)
                wake(worker->news_fd);
}

/* Against worker_check(): it says first that it does not watch, then looks for a round; here it is
 * the other way round. So one of the two sees the other. */
static void worker_begin_round(struct worker *worker)
{
        atomic_store(&worker->is_in_round, true);
        if (!atomic_load(&worker->is_watched) && !atomic_exchange(&worker->is_watched, true))
                wake(worker->news_fd);
}

static void worker_round(struct worker *worker, const struct epoll_event *events, int n_events)
{
        worker_begin_round(worker);
        worker_do_again(worker);
        for (int i = 0; i < n_events; i++)
                if (events[i].data.ptr)
                        side_event(events[i].data.ptr, worker, events[i].events);
                else
                        worker_woken(worker);
        worker_publish(worker);
        count(&worker->n_rounds, 1);
        atomic_store_explicit(&worker->n_pipes,
                              worker->means.pipes.n_pipes[false] +
                                      worker->means.pipes.n_pipes[true],
                              memory_order_relaxed);
        atomic_store_explicit(&worker->is_in_round, false, memory_order_relaxed);
}

static void *worker_run(void *userdata)
{
        struct worker *worker = userdata;
        struct epoll_event events[ROUND_EVENTS];
        int n_events;

        sem_post(&worker->started);
        while (!atomic_load(&worker->stops)) {
                n_events = epoll_wait(worker->epoll_fd, events, ROUND_EVENTS,
                                      list_is_empty(&worker->again) ? -1 : 0);
                worker_round(worker, events, n_events);
        }
        return NULL;
}

/* --- the loop's side ------------------------------------------------------------------ */

static int side_register(struct side *side, int epoll_fd)
{
        struct epoll_event event = { .events = READ_EVENTS, .data.ptr = side };

        return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, side->fd, &event) < 0 ? -errno : 0;
}

static void worker_cut_locked(struct worker *worker, struct relay *relay, int error)
{
        relay->error = error;
        if (list_is_empty(&relay->cut))
                list_append(&worker->cuts, &relay->cut);
        wake(worker->wake_fd);
}

/* From the first registration on the worker may be at it, so a failure of the second one is a
 * cut. `adding` keeps it from closing a socket that is not registered yet; a lock of its own, since
 * the worker meets the other one with each flow that ends. */
void worker_add(struct worker *worker, struct relay *relay)
{
        int r;

        atomic_fetch_add(&worker->n_open, 1);
        pthread_mutex_lock(&worker->lock);
        list_append(&worker->open, &relay->link);
        htable_add(&worker->by_id, &relay->by_id, htable_hash(&relay->id, sizeof(relay->id)));
        pthread_mutex_unlock(&worker->lock);

        pthread_mutex_lock(&worker->adding);
        r = side_register(&relay->upstream, worker->epoll_fd);
        if (r >= 0)
                r = side_register(&relay->app, worker->epoll_fd);
        if (r < 0)
                worker_cut(worker, relay->id, r);
        atomic_store_explicit(&relay->is_added, true, memory_order_release);
        pthread_mutex_unlock(&worker->adding);
}

static struct relay *worker_find_locked(struct worker *worker, uint64_t id)
{
        uint64_t hash = htable_hash(&id, sizeof(id));
        struct relay *relay;

        htable_for_each_match (relay, &worker->by_id, hash, by_id)
                if (relay->id == id)
                        return relay;
        return NULL;
}

/* On a machine that is very slow the signal meets calls that do not wait, and changes nothing. */
bool worker_check(struct worker *worker)
{
        unsigned long n_rounds;
        bool is_in_round, has_worked;

        atomic_store(&worker->is_watched, false);
        is_in_round = atomic_load(&worker->is_in_round);
        n_rounds = atomic_load(&worker->n_rounds);
        has_worked = n_rounds != worker->n_rounds_seen;
        if (is_in_round && !has_worked)
                pthread_kill(worker->thread, WORKER_SIGNAL);
        worker->n_rounds_seen = n_rounds;
        if (is_in_round || has_worked)
                atomic_store(&worker->is_watched, true);
        return is_in_round || has_worked;
}

bool worker_cut(struct worker *worker, uint64_t id, int error)
{
        struct relay *relay;

        pthread_mutex_lock(&worker->lock);
        relay = worker_find_locked(worker, id);
        if (relay)
                worker_cut_locked(worker, relay, error);
        pthread_mutex_unlock(&worker->lock);
        return relay;
}

void worker_take_ended(struct worker *worker, struct list *list)
{
        pthread_mutex_lock(&worker->lock);
        list_move_all(list, &worker->ended);
        pthread_mutex_unlock(&worker->lock);
}

static int worker_open(struct worker *worker)
{
        struct epoll_event event = { .events = EPOLLIN };
        int r;

        r = htable_init(&worker->by_id, BY_ID_BUCKETS);
        if (r < 0)
                return r;
        worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (worker->epoll_fd < 0)
                return -errno;
        worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (worker->wake_fd < 0)
                return -errno;
        return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, worker->wake_fd, &event) < 0 ? -errno : 0;
}

static void handle_signal(int number)
{
}

/* Without SA_RESTART, so that what waits returns. Workers of all pools share it. */
static int worker_catch_signal(void)
{
        const struct sigaction action = { .sa_handler = handle_signal };

        return sigaction(WORKER_SIGNAL, &action, NULL) < 0 ? -errno : 0;
}

/* Other signals are for the loop's thread. A thread's first system calls (rseq, robust list) are
 * not those of the sandbox, and the C library aborts where they fail: so they are waited for. */
static int worker_start_thread(struct worker *worker)
{
        sigset_t others, before;
        int r;

        r = worker_catch_signal();
        if (r < 0)
                return r;
        sigfillset(&others);
        sigdelset(&others, WORKER_SIGNAL);
        pthread_sigmask(SIG_SETMASK, &others, &before);
        r = pthread_create(&worker->thread, NULL, worker_run, worker);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r > 0)
                return -r;
        worker->is_running = true;
        while (sem_wait(&worker->started) < 0)
                ;
        return 0;
}

int worker_start(struct worker *worker, int news_fd)
{
        int r;

        *worker = (struct worker){ .epoll_fd = -1, .wake_fd = -1, .news_fd = news_fd };
        list_init(&worker->open);
        list_init(&worker->cuts);
        list_init(&worker->ended);
        list_init(&worker->again);
        list_init(&worker->finished);
        pipes_init(&worker->means.pipes);
        pthread_mutex_init(&worker->lock, NULL);
        pthread_mutex_init(&worker->adding, NULL);
        sem_init(&worker->started, 0, 0);
        r = worker_open(worker);
        return r < 0 ? r : worker_start_thread(worker);
}

static void worker_free_relays(struct worker *worker)
{
        struct relay *relay;

        while ((relay = list_first(&worker->open, struct relay, link))) {
                list_remove(&relay->link);
                relay->error = -ECANCELED;
                relay_close(relay, worker);
                free(relay);
        }
        while ((relay = list_first(&worker->ended, struct relay, link))) {
                list_remove(&relay->link);
                free(relay);
        }
}

/* It may be about to wait, so one signal may come too early. */
static void worker_join(struct worker *worker)
{
        struct timespec soon;

        atomic_store(&worker->stops, true);
        wake(worker->wake_fd);
        do {
                pthread_kill(worker->thread, WORKER_SIGNAL);
                clock_gettime(CLOCK_REALTIME, &soon);
                soon.tv_sec++;
        } while (pthread_timedjoin_np(worker->thread, NULL, &soon) != 0);
}

void worker_stop(struct worker *worker)
{
        if (worker->is_running)
                worker_join(worker);
        worker_free_relays(worker);
        pipes_deinit(&worker->means.pipes);
        htable_deinit(&worker->by_id);
        close_fd(worker->wake_fd);
        close_fd(worker->epoll_fd);
        sem_destroy(&worker->started);
        pthread_mutex_destroy(&worker->adding);
        pthread_mutex_destroy(&worker->lock);
}
