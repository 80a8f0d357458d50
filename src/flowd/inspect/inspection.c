/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whatever happens to a flow, an event or a verdict, ends in inspection_run(): it carries both
 * halves on as far as they go, and then looks whether that was all. A callback that calls back
 * finds it running, and only changes what is known; then there is another round.
 *
 * Epoll is edge-triggered: a socket that is not read because its window is full costs nothing,
 * not even when the other side hangs up. So a peer is marked as readable until a read said
 * that it is not, and whoever stops for another reason sees to it that he is called again.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/socket.h"
#include "inspect/inspection.h"
#include "inspect/offsets.h"
#include "inspect/window.h"
#include "wire/table.h"

#define KIB               1024
#define WINDOW_FIRST_SIZE (64 * KIB)
#define WINDOW_SIZE_MAX   (1024 * KIB)
/* What each inspector may hold, when the window has a quarter of its memory to spare. */
#define WINDOW_SHARE (48 * KIB)
_Static_assert(WINDOW_SHARE / 4 * 3 >= WIRE_DATA_MAX, "each holds less than one question");

/* Reads in one turn: a fast sender must not keep the loop from the others. */
#define TURN_READS 4

/* A flow whose bytes do not move for so long loses its memory when another one waits for some. */
#define STALLED_NS 1000000000ULL

#define READ_EVENTS (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET)
/* Behind these a short read does not mean that there is nothing more. */
#define END_EVENTS (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)

/* One of the two sockets. */
struct peer {
        struct inspection *inspection;
        struct loop_io io;
        int fd;
        bool readable;
        bool writable;
        bool watches_writes;
        bool reads_to_end;
        bool has_failed;
};

/* One direction. */
struct half {
        struct inspection *inspection;
        enum nx_direction direction;
        struct peer *from;
        struct peer *to;
        struct offsets offsets;
        struct window window; /* [n_written, offsets.received) */
        uint64_t n_written;
        bool is_over; /* and to was told; or it does not listen any more */
};

struct inspection {
        struct inspection_pool *pool;
        struct list link; /* pool.open */
        void *userdata;
        struct peer app;
        struct peer upstream;
        struct half outbound;
        struct half inbound;
        uint64_t removed; /* a bit for each inspector that is not there any more */
        int error;        /* the first */
        bool is_cut;
        bool is_running;
        bool is_again; /* something changed meanwhile */
        struct offsets_inspector inspectors[];
};

struct inspection_pool {
        struct loop *loop;
        const struct inspection_listener *listener;
        struct window_pool windows;
        struct list open; /* inspection.link */
        size_t n_open;
        struct loop_timer shortage_timer; /* runs while a window waits for memory */
};

/* --- peers ---------------------------------------------------------------------------- */

static uint32_t peer_events(const struct peer *peer)
{
        return peer->watches_writes ? READ_EVENTS | EPOLLOUT : READ_EVENTS;
}

/* What is ready now is told again, in the next round. */
static int peer_call_again(struct peer *peer)
{
        return loop_modify(peer->inspection->pool->loop, &peer->io, peer_events(peer));
}

static int peer_watch_writes(struct peer *peer)
{
        if (peer->watches_writes)
                return 0;
        peer->watches_writes = true;
        return peer_call_again(peer);
}

static void half_give_up(struct half *half)
{
        window_deinit(&half->window);
        half->is_over = true;
}

/* It does not listen any more; what it has said before is still to be read. */
static void peer_fail(struct peer *peer, int error)
{
        struct inspection *inspection = peer->inspection;
        bool is_app = peer == &inspection->app;

        if (!inspection->error)
                inspection->error = error;
        inspection->is_again = true;
        peer->has_failed = true;
        peer->readable = true;
        half_give_up(is_app ? &inspection->inbound : &inspection->outbound);
}

static void peer_close(struct peer *peer)
{
        (void)socket_set_reset_on_close(peer->fd, peer->inspection->error != 0);
        peer->fd = close_fd(peer->fd);
}

/* --- a half --------------------------------------------------------------------------- */

static bool half_is_watched(const struct half *half)
{
        return !half->is_over && offsets_is_watched(&half->offsets);
}

static bool inspection_is_watched(const struct inspection *inspection)
{
        return half_is_watched(&inspection->outbound) || half_is_watched(&inspection->inbound);
}

static int half_write_failed(struct half *half, int error)
{
        if (error == EINTR)
                return 0;
        if (error != EAGAIN) {
                peer_fail(half->to, -error);
                return 0;
        }
        half->to->writable = false;
        half->inspection->is_again |= !inspection_is_watched(half->inspection); /* half_is_awaited() */
        return peer_watch_writes(half->to);
}

static int half_write(struct half *half)
{
        uint64_t released = half->is_over ? 0 : offsets_released(&half->offsets);
        int r = 0;

        while (r >= 0 && !half->is_over && half->to->writable && half->n_written < released) {
                ssize_t n = send(half->to->fd, window_start(&half->window),
                                 released - half->n_written, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0) {
                        r = half_write_failed(half, errno);
                        continue;
                }
                half->n_written += (uint64_t)n;
                window_remove(&half->window, (size_t)n);
        }
        return r;
}

/* ENOTCONN: the receiver was reset meanwhile, which its own event tells. After a failure of the
 * sender its last bytes are not to look like all of them: a reset follows. */
static void half_hand_end_on(struct half *half)
{
        if (half->is_over || half->n_written < half->offsets.received ||
            !offsets_is_finished(&half->offsets))
                return;
        if (!half->from->has_failed)
                (void)shutdown(half->to->fd, SHUT_WR);
        half->is_over = true;
}

static void half_read_failed(struct half *half, int error)
{
        if (error == EINTR)
                return;
        half->from->readable = false;
        if (error == EAGAIN && !half->from->has_failed)
                return;
        if (error != EAGAIN)
                peer_fail(half->from, -error);
        offsets_end(&half->offsets);
}

static void half_note_read(struct half *half, size_t n, size_t room)
{
        if (n == 0) {
                offsets_end(&half->offsets);
                return;
        }
        window_add(&half->window, n);
        offsets_receive(&half->offsets, n);
        if (n < room && !half->from->reads_to_end && !half->from->has_failed)
                half->from->readable = false;
}

static bool half_is_empty(const struct half *half)
{
        return half->is_over || half->n_written == half->offsets.received;
}

/* What the other half still holds cannot be written: its receiver may wait for what we bring. */
static bool half_is_awaited(const struct half *half)
{
        const struct inspection *inspection = half->inspection;
        const struct half *other =
                half == &inspection->outbound ? &inspection->inbound : &inspection->outbound;

        return !half_is_empty(other) && !other->to->writable;
}

/* Unless the flow is only to be emptied before it is given back. */
static bool half_wants_to_read(const struct half *half)
{
        return half->from->readable && !half->is_over && !half->offsets.is_ended &&
               (half->inspection->error || inspection_is_watched(half->inspection) ||
                half_is_awaited(half));
}

static void pool_watch_shortage(struct inspection_pool *pool)
{
        if (window_pool_is_short(&pool->windows) && list_is_empty(&pool->shortage_timer.link))
                loop_timer_start(pool->loop, &pool->shortage_timer, now_ns() + STALLED_NS);
}

/* 1 if something came of it. */
static int half_read(struct half *half)
{
        size_t room;
        ssize_t n;
        int r;

        if (!half_wants_to_read(half))
                return 0;
        r = window_make_room(&half->window, &room);
        pool_watch_shortage(half->inspection->pool);
        if (r < 0 || room == 0)
                return r;
        n = recv(half->from->fd, window_end(&half->window), room, MSG_DONTWAIT);
        if (n < 0)
                half_read_failed(half, errno);
        else
                half_note_read(half, (size_t)n, room);
        return 1;
}

static bool half_tell(struct half *half, const struct offsets_question *question)
{
        struct inspection *inspection = half->inspection;
        const struct inspection_listener *listener = inspection->pool->listener;

        size_t n_shown;

        if (question->is_complete)
                return listener->complete(inspection, question->inspector, half->direction,
                                          inspection->userdata);
        n_shown = listener->show(inspection, question->inspector, half->direction, question->offset,
                                 window_start(&half->window) + (question->offset - half->n_written),
                                 question->size, inspection->userdata);
        if (n_shown > 0)
                offsets_shorten(&half->offsets, question, n_shown);
        return n_shown > 0;
}

static void half_ask(struct half *half)
{
        struct offsets_question question;

        while (!half->inspection->is_cut && !half->is_over &&
               offsets_ask(&half->offsets, &question))
                if (!half_tell(half, &question))
                        offsets_withdraw(&half->offsets, &question);
}

/* As far as it goes: until a side, an inspector or the pool has to do something first. Questions
 * come first, so that their inspectors think while we write. */
static int half_carry(struct half *half)
{
        unsigned int n_reads = 0;
        int r;

        do {
                half_ask(half);
                r = half_write(half);
                if (r < 0)
                        return r;
                half_hand_end_on(half);
                if (n_reads++ == TURN_READS)
                        return peer_call_again(half->from);
                r = half_read(half);
        } while (r > 0 && !half->inspection->is_cut);
        if (!half_wants_to_read(half))
                window_rest(&half->window);
        return r;
}

/* --- the flow ------------------------------------------------------------------------- */

/* Takes everything back but the sockets. Nobody can call it from now on. */
static void inspection_leave(struct inspection *inspection)
{
        struct inspection_pool *pool = inspection->pool;

        inspection->is_running = true;
        list_remove(&inspection->link);
        pool->n_open--;
        loop_remove(pool->loop, &inspection->app.io);
        loop_remove(pool->loop, &inspection->upstream.io);
        half_give_up(&inspection->outbound);
        half_give_up(&inspection->inbound);
}

static void inspection_close(struct inspection *inspection)
{
        inspection_leave(inspection);
        peer_close(&inspection->app);
        peer_close(&inspection->upstream);
}

static void inspection_end(struct inspection *inspection)
{
        inspection_close(inspection);
        inspection->pool->listener->ended(inspection, inspection->error,
                                          inspection->outbound.n_written,
                                          inspection->inbound.n_written, inspection->userdata);
        free(inspection);
}

static void inspection_give_back(struct inspection *inspection)
{
        inspection_leave(inspection);
        inspection->pool->listener->done(inspection, take_fd(&inspection->app.fd),
                                         take_fd(&inspection->upstream.fd),
                                         inspection->outbound.n_written,
                                         inspection->inbound.n_written, inspection->userdata);
        free(inspection);
}

static bool inspection_is_done(const struct inspection *inspection)
{
        return !inspection->error && !inspection_is_watched(inspection) &&
               half_is_empty(&inspection->outbound) && half_is_empty(&inspection->inbound);
}

static void set_cut(struct inspection *inspection, int error)
{
        if (!inspection->error)
                inspection->error = error;
        inspection->is_cut = true;
}

static void inspection_carry(struct inspection *inspection)
{
        int r, also;

        do {
                inspection->is_again = false;
                r = half_carry(&inspection->outbound);
                also = half_carry(&inspection->inbound);
                if (r < 0 || also < 0)
                        set_cut(inspection, r < 0 ? r : also);
        } while (inspection->is_again && !inspection->is_cut);
}

/* The inspection may be gone after this. */
static void inspection_run(struct inspection *inspection)
{
        if (inspection->is_running) {
                inspection->is_again = true;
                return;
        }
        inspection->is_running = true;
        if (!inspection->is_cut)
                inspection_carry(inspection);
        inspection->is_running = false;
        if (inspection->is_cut || (inspection->outbound.is_over && inspection->inbound.is_over))
                inspection_end(inspection);
        else if (inspection_is_done(inspection))
                inspection_give_back(inspection);
}

static int peer_take_error(struct peer *peer)
{
        int error = 0;
        socklen_t size = sizeof(error);

        return getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

static int on_peer(uint32_t events, void *userdata)
{
        struct peer *peer = userdata;
        int error = events & EPOLLERR ? peer_take_error(peer) : 0;

        peer->readable |= (events & (EPOLLIN | END_EVENTS)) != 0;
        peer->writable |= (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
        peer->reads_to_end |= (events & END_EVENTS) != 0;
        if (error)
                peer_fail(peer, error);
        inspection_run(peer->inspection);
        return 0;
}

/* --- begin ---------------------------------------------------------------------------- */

static void peer_init(struct peer *peer, struct inspection *inspection, int fd)
{
        const int one = 1;

        *peer = (struct peer){
                .inspection = inspection, .io = LOOP_IO_NULL, .fd = fd, .writable = true
        };
        /* Small writes are the apps' own choice; they must not be held back once more. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        (void)socket_set_reset_on_close(fd, true);
}

static size_t window_first_size(unsigned int n_inspectors)
{
        size_t size = n_inspectors * WINDOW_SHARE;

        return size < WINDOW_FIRST_SIZE ? WINDOW_FIRST_SIZE : size;
}

static void half_init(struct half *half, struct inspection *inspection, enum nx_direction direction,
                      unsigned int n_inspectors)
{
        bool is_outbound = direction == NX_DIRECTION_OUTBOUND;
        size_t first_size = window_first_size(n_inspectors);

        *half = (struct half){
                .inspection = inspection,
                .direction = direction,
                .from = is_outbound ? &inspection->app : &inspection->upstream,
                .to = is_outbound ? &inspection->upstream : &inspection->app,
        };
        offsets_init(&half->offsets, inspection->inspectors + (is_outbound ? 0 : n_inspectors),
                     n_inspectors, WIRE_DATA_MAX, WIRE_SLOT_SIZE);
        window_init(&half->window, &inspection->pool->windows, first_size,
                    first_size > WINDOW_SIZE_MAX ? first_size : WINDOW_SIZE_MAX);
}

static void half_set_peek(struct half *half, unsigned int inspector, uint64_t pass_bytes,
                          uint64_t peek_bytes)
{
        if (peek_bytes == OFFSETS_FOR_EVER)
                offsets_let_pass(&half->offsets, inspector);
        else
                (void)offsets_update(&half->offsets, inspector, pass_bytes, peek_bytes);
}

static struct inspection *inspection_allocate(struct inspection_pool *pool,
                                              const struct inspection_setup *setup)
{
        unsigned int n = setup->n_inspectors;
        struct inspection *inspection;

        inspection = calloc(1, sizeof(*inspection) + 2 * n * sizeof(inspection->inspectors[0]));
        if (!inspection)
                return NULL;
        inspection->pool = pool;
        inspection->userdata = setup->userdata;
        peer_init(&inspection->app, inspection, setup->app_fd);
        peer_init(&inspection->upstream, inspection, setup->upstream_fd);
        half_init(&inspection->outbound, inspection, NX_DIRECTION_OUTBOUND, n);
        half_init(&inspection->inbound, inspection, NX_DIRECTION_INBOUND, n);
        for (unsigned int i = 0; i < n; i++) {
                const struct inspection_peek *peek = &setup->peeks[i];

                half_set_peek(&inspection->outbound, i, peek->pass_outbound, peek->outbound);
                half_set_peek(&inspection->inbound, i, peek->pass_inbound, peek->inbound);
        }
        return inspection;
}

/* What has arrived already, epoll tells in the next round. */
static int inspection_watch(struct inspection *inspection)
{
        struct loop *loop = inspection->pool->loop;
        struct peer *app = &inspection->app, *upstream = &inspection->upstream;
        int r;

        r = loop_add(loop, &app->io, app->fd, READ_EVENTS, on_peer, app);
        if (r < 0)
                return r;
        r = loop_add(loop, &upstream->io, upstream->fd, READ_EVENTS, on_peer, upstream);
        if (r < 0)
                loop_remove(loop, &app->io);
        return r;
}

int inspection_new(struct inspection **ret_inspection, struct inspection_pool *pool,
                   const struct inspection_setup *setup)
{
        _cleanup_fd_ int app_fd = setup->app_fd, upstream_fd = setup->upstream_fd;
        _cleanup_free_ struct inspection *inspection = NULL;
        int r;

        if (setup->n_inspectors > INSPECTION_INSPECTORS_MAX)
                return -EINVAL;
        if (window_first_size(setup->n_inspectors) > pool->windows.size_max)
                return -ENOBUFS;
        inspection = inspection_allocate(pool, setup);
        if (!inspection)
                return -ENOMEM;
        if (!inspection_is_watched(inspection))
                return -EINVAL;
        r = inspection_watch(inspection);
        if (r < 0)
                return r;
        take_fd(&app_fd);
        take_fd(&upstream_fd);
        list_append(&pool->open, &inspection->link);
        pool->n_open++;
        *ret_inspection = take_ptr(inspection);
        return 0;
}

/* --- what inspectors say -------------------------------------------------------------- */

static bool inspection_has(const struct inspection *inspection, unsigned int inspector)
{
        return inspector < inspection->outbound.offsets.n_inspectors &&
               !(inspection->removed & (1ULL << inspector));
}

static void let_pass(struct inspection *inspection, unsigned int inspector)
{
        offsets_let_pass(&inspection->outbound.offsets, inspector);
        offsets_let_pass(&inspection->inbound.offsets, inspector);
}

static void filter_data(struct half *half, unsigned int inspector,
                        const struct inspection_verdict *verdict)
{
        int r = verdict->is_update ? offsets_update(&half->offsets, inspector, verdict->pass_bytes,
                                                    verdict->peek_bytes)
                                   : offsets_answer(&half->offsets, inspector, verdict->pass_bytes,
                                                    verdict->peek_bytes);

        if (r < 0)
                set_cut(half->inspection, r);
}

int inspection_verdict(struct inspection *inspection, unsigned int inspector,
                       enum nx_direction direction, const struct inspection_verdict *verdict)
{
        struct half *half =
                direction == NX_DIRECTION_OUTBOUND ? &inspection->outbound : &inspection->inbound;

        if (inspector >= half->offsets.n_inspectors || direction != half->direction)
                return -EBADMSG;
        if (!inspection_has(inspection, inspector))
                return 0;
        switch (verdict->verdict) {
        case NX_VERDICT_ALLOW:
                let_pass(inspection, inspector);
                break;
        case NX_VERDICT_DROP:
                set_cut(inspection, -EPERM);
                break;
        case NX_VERDICT_FILTER_DATA:
                filter_data(half, inspector, verdict);
                break;
        case NX_VERDICT_PAUSE:
                offsets_pause(&half->offsets, inspector, !verdict->is_update);
                break;
        default:
                return -EBADMSG;
        }
        inspection_run(inspection);
        return 0;
}

void inspection_retry(struct inspection *inspection, unsigned int inspector)
{
        if (!inspection_has(inspection, inspector))
                return;
        offsets_retry(&inspection->outbound.offsets, inspector);
        offsets_retry(&inspection->inbound.offsets, inspector);
        inspection_run(inspection);
}

static bool has_seen_enough(const struct inspection *inspection, unsigned int inspector)
{
        return inspection->outbound.offsets.inspectors[inspector].pass == OFFSETS_FOR_EVER &&
               inspection->inbound.offsets.inspectors[inspector].pass == OFFSETS_FOR_EVER;
}

void inspection_remove_inspector(struct inspection *inspection, unsigned int inspector,
                                 bool is_let_pass)
{
        if (!inspection_has(inspection, inspector))
                return;
        inspection->removed |= 1ULL << inspector;
        if (!is_let_pass && !has_seen_enough(inspection, inspector))
                set_cut(inspection, -ECONNABORTED);
        let_pass(inspection, inspector);
        inspection_run(inspection);
}

void inspection_cut(struct inspection *inspection, int error)
{
        set_cut(inspection, error);
        inspection_run(inspection);
}

/* --- the pool ------------------------------------------------------------------------- */

/* A reader that waited for memory: its event comes again. */
static void on_window_ready(struct window *window)
{
        (void)peer_call_again(container_of(window, struct half, window)->from);
}

/* Whoever holds bytes for ever, a filter that paused or a program that says less than a filter
 * wants to see, may do so only while there is memory for the others. */
static int on_shortage(void *userdata)
{
        struct inspection_pool *pool = userdata;
        uint64_t since_ns = now_ns() - STALLED_NS;
        struct window *window;
        size_t n = 0;

        while ((window = window_pool_find_stalled(&pool->windows, since_ns))) {
                inspection_cut(container_of(window, struct half, window)->inspection, -ENOBUFS);
                n++;
        }
        if (n > 0)
                log_warning("%zu inspected flows were reset: their bytes did not move, and others "
                            "found no memory",
                            n);
        pool_watch_shortage(pool);
        return 0;
}

int inspection_pool_new(struct inspection_pool **ret_pool, struct loop *loop,
                        const struct inspection_listener *listener, size_t bytes_max)
{
        struct inspection_pool *pool = malloc(sizeof(*pool));

        if (!pool)
                return -ENOMEM;
        *pool = (struct inspection_pool){ .loop = loop, .listener = listener };
        window_pool_init(&pool->windows, bytes_max, on_window_ready);
        list_init(&pool->open);
        loop_timer_init(&pool->shortage_timer, on_shortage, pool);
        *ret_pool = pool;
        return 0;
}

struct inspection_pool *inspection_pool_free(struct inspection_pool *pool)
{
        struct inspection *inspection;

        if (!pool)
                return NULL;
        loop_timer_stop(&pool->shortage_timer);
        while ((inspection = list_first(&pool->open, struct inspection, link))) {
                set_cut(inspection, -ECANCELED);
                inspection_close(inspection);
                free(inspection);
        }
        free(pool);
        return NULL;
}

void inspection_pool_count(const struct inspection_pool *pool, struct inspection_counts *ret_counts)
{
        *ret_counts = (struct inspection_counts){
                .n_open = pool->n_open,
                .n_bytes = pool->windows.size,
        };
}
