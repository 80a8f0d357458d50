/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A direction is a queue, and each datagram in it stands before the inspector whose turn it is.
 * It stays behind those that came before it, so at each inspector the oldest is the one that is
 * asked about. Where nobody wants to see anything a datagram comes in and goes out in one turn.
 *
 * As in inspection.c, what happens ends in datagrams_run(), and callbacks that call back only
 * change what is known: a datagram that is dropped meanwhile is marked, and leaves with the rest.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <netext/filter.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/loop.h"
#include "inspect/datagrams.h"
#include "wire/table.h"

#define FOR_EVER NX_DATA_BYTES_MAX

#define DATAGRAM_SIZE_MAX (64 * 1024)
/* Datagrams of one turn: a fast sender must not keep the loop from the others. */
#define TURN_DATAGRAMS 32
#define READ_EVENTS    (EPOLLIN | EPOLLET)

struct datagram {
        struct list link; /* course.queue */
        uint64_t token;
        uint64_t offset;
        size_t size;
        unsigned int at; /* the inspector whose turn it is; behind the last: it may leave */
        bool is_dropped;
        char bytes[];
};

/* An inspector's side of one direction. */
struct judge {
        uint64_t pass;          /* what is before passes unseen */
        struct datagram *shown; /* that it was asked about and has not decided */
        bool is_asked;
        bool is_paused;
        bool is_busy; /* the question did not reach it */
};

/* One direction. */
struct course {
        struct datagrams *datagrams;
        enum nx_direction direction;
        struct loop_io io; /* of from_fd */
        int from_fd;       /* -1: they wait in the kernel */
        int to_fd;         /* owned by the other course; -1 likewise */
        struct judge *judges;
        struct list queue; /* datagram.link, oldest first */
        uint64_t received;
        uint64_t n_bytes; /* that went on */
};

struct datagrams {
        struct datagrams_pool *pool;
        struct list link; /* pool.open */
        void *userdata;
        struct course outbound;
        struct course inbound;
        unsigned int n_judges;
        uint64_t removed; /* a bit for each inspector that is not there any more */
        size_t n_queued;
        int error;
        bool is_cut;
        bool is_running;
        bool is_again;
        bool ends_with_upstream;
        struct judge judges[];
};

struct datagrams_pool {
        struct loop *loop;
        const struct datagrams_listener *listener;
        size_t bytes_max;
        size_t n_queued;
        size_t n_open;
        uint64_t n_dropped;
        struct list open; /* datagrams.link */
        char buffer[DATAGRAM_SIZE_MAX];
};

static uint64_t add(uint64_t a, uint64_t b)
{
        return a > FOR_EVER - b ? FOR_EVER : a + b;
}

/* --- the queue ------------------------------------------------------------------------ */

static size_t datagram_cost(size_t size)
{
        return sizeof(struct datagram) + size;
}

/* NULL: there is no room. */
static struct datagram *course_append(struct course *course, const char *bytes, size_t size,
                                      uint64_t token)
{
        struct datagrams *flow = course->datagrams;
        struct datagrams_pool *pool = flow->pool;
        size_t cost = datagram_cost(size);
        struct datagram *datagram;

        if (cost > DATAGRAMS_QUEUE_MAX - flow->n_queued || cost > pool->bytes_max - pool->n_queued)
                return NULL;
        datagram = malloc(cost);
        if (!datagram)
                return NULL;
        *datagram = (struct datagram){ .token = token, .offset = course->received, .size = size };
        memcpy(datagram->bytes, bytes, size);
        list_append(&course->queue, &datagram->link);
        flow->n_queued += cost;
        pool->n_queued += cost;
        return datagram;
}

static void course_remove(struct course *course, struct datagram *datagram)
{
        size_t cost = datagram_cost(datagram->size);

        list_remove(&datagram->link);
        course->datagrams->n_queued -= cost;
        course->datagrams->pool->n_queued -= cost;
        free(datagram);
}

static bool is_held(const struct datagrams *flow)
{
        return flow->outbound.from_fd < 0;
}

/* What waits in the kernel goes on from there, or does not. */
static void course_decide(struct course *course, uint64_t token, bool passes)
{
        struct datagrams *flow = course->datagrams;

        flow->pool->listener->decide(flow, course->direction, token, passes, flow->userdata);
}

static void course_drop(struct course *course, uint64_t token)
{
        if (is_held(course->datagrams))
                course_decide(course, token, false);
}

static void course_clear(struct course *course)
{
        struct datagram *datagram;

        while ((datagram = list_first(&course->queue, struct datagram, link))) {
                course_drop(course, datagram->token);
                course_remove(course, datagram);
        }
}

static void set_cut(struct datagrams *flow, int error)
{
        if (!flow->is_cut)
                flow->error = error;
        flow->is_cut = true;
}

/* Errors are those of earlier datagrams, and of no consequence for later ones; unless one says that
 * an extension has closed its end: then the flow is over. */
static void heed_error(struct datagrams *flow, int fd, int error)
{
        if (flow->ends_with_upstream && fd == flow->outbound.to_fd && error == ECONNREFUSED)
                set_cut(flow, 0);
}

static void course_send(struct course *course, const char *bytes, size_t size, uint64_t token)
{
        if (is_held(course->datagrams)) {
                course_decide(course, token, true);
                course->n_bytes += size;
                return;
        }
        for (int attempt = 0; attempt < 2 && !course->datagrams->is_cut; attempt++) {
                if (send(course->to_fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
                        course->n_bytes += size;
                        return;
                }
                heed_error(course->datagrams, course->to_fd, errno);
        }
        course->datagrams->pool->n_dropped++;
}

/* --- inspectors ----------------------------------------------------------------------- */

static bool passes_unseen(const struct judge *judge, uint64_t offset, size_t size)
{
        if (judge->pass == FOR_EVER)
                return true;
        if (judge->shown || judge->is_paused)
                return false;
        return size > 0 ? offset + size <= judge->pass : offset < judge->pass;
}

static bool course_is_watched(const struct course *course)
{
        for (unsigned int i = 0; i < course->datagrams->n_judges; i++)
                if (course->judges[i].pass != FOR_EVER)
                        return true;
        return false;
}

static void course_ask(struct course *course, struct datagram *datagram)
{
        struct datagrams *flow = course->datagrams;
        struct judge *judge = &course->judges[datagram->at];

        if (judge->shown || judge->is_asked || judge->is_paused || judge->is_busy)
                return;
        judge->shown = datagram;
        judge->is_asked = true;
        if (flow->pool->listener->show(flow, datagram->at, course->direction, datagram->offset,
                                       datagram->bytes, datagram->size, flow->userdata))
                return;
        judge->shown = NULL;
        judge->is_asked = false;
        judge->is_busy = true;
}

/* As far as its inspectors let it, but not past the one that went before, which is before n. */
static void course_move(struct course *course, struct datagram *datagram, unsigned int n)
{
        while (datagram->at < n && !datagram->is_dropped &&
               passes_unseen(&course->judges[datagram->at], datagram->offset, datagram->size))
                datagram->at++;
        if (datagram->at < n && !datagram->is_dropped)
                course_ask(course, datagram);
}

static void course_carry(struct course *course)
{
        unsigned int n_judges = course->datagrams->n_judges, n = n_judges;
        struct datagram *datagram, *following;

        list_for_each_safe (datagram, following, &course->queue, link) {
                course_move(course, datagram, n);
                if (course->datagrams->is_cut)
                        return;
                if (datagram->is_dropped)
                        course_drop(course, datagram->token);
                else if (datagram->at == n_judges)
                        course_send(course, datagram->bytes, datagram->size, datagram->token);
                if (datagram->at == n_judges || datagram->is_dropped)
                        course_remove(course, datagram);
                else
                        n = datagram->at;
                if (n == 0)
                        return;
        }
}

/* --- the flow ------------------------------------------------------------------------- */

/* Who has carried them goes on; in the kernel nobody needs us. */
static bool is_done(const struct datagrams *flow)
{
        return is_held(flow) && list_is_empty(&flow->outbound.queue) &&
               list_is_empty(&flow->inbound.queue) && !course_is_watched(&flow->outbound) &&
               !course_is_watched(&flow->inbound);
}

static void datagrams_close(struct datagrams *flow)
{
        struct datagrams_pool *pool = flow->pool;

        flow->is_running = true;
        list_remove(&flow->link);
        pool->n_open--;
        loop_remove(pool->loop, &flow->outbound.io);
        loop_remove(pool->loop, &flow->inbound.io);
        course_clear(&flow->outbound);
        course_clear(&flow->inbound);
        flow->outbound.from_fd = close_fd(flow->outbound.from_fd);
        flow->inbound.from_fd = close_fd(flow->inbound.from_fd);
}

/* The flow may be gone after this. */
static void datagrams_run(struct datagrams *flow)
{
        if (flow->is_running) {
                flow->is_again = true;
                return;
        }
        flow->is_running = true;
        do {
                flow->is_again = false;
                if (!flow->is_cut)
                        course_carry(&flow->outbound);
                if (!flow->is_cut)
                        course_carry(&flow->inbound);
        } while (flow->is_again && !flow->is_cut);
        flow->is_running = false;
        if (flow->is_cut) {
                datagrams_close(flow);
                flow->pool->listener->ended(flow, flow->error, flow->outbound.n_bytes,
                                            flow->inbound.n_bytes, flow->userdata);
                free(flow);
        } else if (is_done(flow)) {
                datagrams_close(flow);
                flow->pool->listener->done(flow, flow->outbound.n_bytes, flow->inbound.n_bytes,
                                           flow->userdata);
                free(flow);
        }
}

static void course_take(struct course *course, const char *bytes, size_t size, uint64_t token)
{
        if (list_is_empty(&course->queue) && !course_is_watched(course)) {
                course_send(course, bytes, size, token);
        } else if (size > WIRE_DATA_MAX || !course_append(course, bytes, size, token)) {
                course->datagrams->pool->n_dropped++;
                course_drop(course, token);
        } else {
                course->received = add(course->received, size);
        }
}

/* False: there is nothing more. An error is told once. */
static bool course_read(struct course *course)
{
        char *buffer = course->datagrams->pool->buffer;
        ssize_t n = recv(course->from_fd, buffer, DATAGRAM_SIZE_MAX, MSG_DONTWAIT);

        if (n >= 0)
                course_take(course, buffer, (size_t)n, 0);
        else
                heed_error(course->datagrams, course->from_fd, errno);
        return n >= 0 || errno != EAGAIN;
}

static int on_readable(uint32_t events, void *userdata)
{
        struct course *course = userdata;
        unsigned int n = 0;

        (void)events;
        while (n < TURN_DATAGRAMS && !course->datagrams->is_cut && course_read(course))
                n++;
        if (n == TURN_DATAGRAMS)
                (void)loop_modify(course->datagrams->pool->loop, &course->io, READ_EVENTS);
        datagrams_run(course->datagrams);
        return 0;
}

/* --- begin ---------------------------------------------------------------------------- */

static void course_init(struct course *course, struct datagrams *flow, enum nx_direction direction,
                        const struct inspection_setup *setup)
{
        bool is_outbound = direction == NX_DIRECTION_OUTBOUND;

        *course = (struct course){
                .datagrams = flow,
                .direction = direction,
                .io = LOOP_IO_NULL,
                .from_fd = is_outbound ? setup->app_fd : setup->upstream_fd,
                .to_fd = is_outbound ? setup->upstream_fd : setup->app_fd,
                .judges = flow->judges + (is_outbound ? 0 : setup->n_inspectors),
        };
        list_init(&course->queue);
        for (unsigned int i = 0; i < setup->n_inspectors; i++) {
                const struct inspection_peek *both = &setup->peeks[i];
                uint64_t peek = is_outbound ? both->outbound : both->inbound;
                uint64_t pass = is_outbound ? both->pass_outbound : both->pass_inbound;

                course->judges[i].pass = peek == FOR_EVER ? FOR_EVER : pass;
        }
}

static struct datagrams *datagrams_allocate(struct datagrams_pool *pool,
                                            const struct inspection_setup *setup)
{
        struct datagrams *flow =
                calloc(1, sizeof(*flow) + 2 * setup->n_inspectors * sizeof(flow->judges[0]));

        if (!flow)
                return NULL;
        flow->pool = pool;
        flow->userdata = setup->userdata;
        flow->ends_with_upstream = setup->ends_with_upstream;
        flow->n_judges = setup->n_inspectors;
        course_init(&flow->outbound, flow, NX_DIRECTION_OUTBOUND, setup);
        course_init(&flow->inbound, flow, NX_DIRECTION_INBOUND, setup);
        return flow;
}

static int course_watch(struct course *course)
{
        if (course->from_fd < 0)
                return 0;
        return loop_add(course->datagrams->pool->loop, &course->io, course->from_fd, READ_EVENTS,
                        on_readable, course);
}

int datagrams_new(struct datagrams **ret_datagrams, struct datagrams_pool *pool,
                  const struct inspection_setup *setup)
{
        _cleanup_fd_ int app_fd = setup->app_fd, upstream_fd = setup->upstream_fd;
        _cleanup_free_ struct datagrams *flow = NULL;
        int r;

        if (setup->n_inspectors > INSPECTION_INSPECTORS_MAX)
                return -EINVAL;
        flow = datagrams_allocate(pool, setup);
        if (!flow)
                return -ENOMEM;
        r = course_watch(&flow->outbound);
        if (r < 0)
                return r;
        r = course_watch(&flow->inbound);
        if (r < 0) {
                loop_remove(pool->loop, &flow->outbound.io);
                return r;
        }
        take_fd(&app_fd);
        take_fd(&upstream_fd);
        list_append(&pool->open, &flow->link);
        pool->n_open++;
        *ret_datagrams = take_ptr(flow);
        return 0;
}

void datagrams_take(struct datagrams *datagrams, enum nx_direction direction, const void *bytes,
                    size_t size, uint64_t token)
{
        course_take(direction == NX_DIRECTION_OUTBOUND ? &datagrams->outbound : &datagrams->inbound,
                    bytes, size, token);
        datagrams_run(datagrams);
}

/* --- what inspectors say -------------------------------------------------------------- */

static bool datagrams_has(const struct datagrams *flow, unsigned int inspector)
{
        return inspector < flow->n_judges && !(flow->removed & (1ULL << inspector));
}

static void judge_let_pass(struct judge *judge)
{
        *judge = (struct judge){ .pass = FOR_EVER };
}

static void let_pass(struct datagrams *flow, unsigned int inspector)
{
        judge_let_pass(&flow->outbound.judges[inspector]);
        judge_let_pass(&flow->inbound.judges[inspector]);
}

static void judge_raise(struct judge *judge, uint64_t pass)
{
        if (pass == FOR_EVER)
                judge_let_pass(judge);
        else if (pass > judge->pass)
                judge->pass = pass;
}

/* About the datagram that it was shown; one that was let pass meanwhile is not dropped. */
static void judge_decide(struct judge *judge, uint64_t pass_bytes)
{
        struct datagram *datagram = judge->shown;

        judge->shown = NULL;
        judge->is_asked = false;
        judge->is_paused = false;
        if (pass_bytes >= datagram->size || datagram->offset + datagram->size <= judge->pass)
                datagram->at++;
        else
                datagram->is_dropped = true;
        judge_raise(judge, add(datagram->offset, pass_bytes));
}

/* What an update counts from: where begins what it has neither decided nor let pass. */
static uint64_t undecided(const struct course *course, unsigned int inspector)
{
        const struct judge *judge = &course->judges[inspector];
        uint64_t offset = judge->shown ? judge->shown->offset : course->received;
        struct datagram *datagram;

        list_for_each (datagram, &course->queue, link)
                if (datagram->at <= inspector && datagram->offset < offset)
                        offset = datagram->offset;
        return offset > judge->pass ? offset : judge->pass;
}

static void filter_data(struct course *course, unsigned int inspector,
                        const struct inspection_verdict *verdict)
{
        struct judge *judge = &course->judges[inspector];
        bool is_open = judge->is_asked && verdict->is_update;

        if (judge->pass == FOR_EVER)
                return;
        if (judge->shown && !is_open) {
                judge_decide(judge, verdict->pass_bytes);
                return;
        }
        judge->is_paused = false;
        judge_raise(judge, add(undecided(course, inspector), verdict->pass_bytes));
}

static void judge_pause(struct judge *judge, bool is_answer)
{
        if (judge->pass == FOR_EVER)
                return;
        if (is_answer)
                judge->is_asked = false;
        judge->is_paused = true;
}

int datagrams_verdict(struct datagrams *datagrams, unsigned int inspector,
                      enum nx_direction direction, const struct inspection_verdict *verdict)
{
        struct course *course =
                direction == NX_DIRECTION_OUTBOUND ? &datagrams->outbound : &datagrams->inbound;

        if (inspector >= datagrams->n_judges || direction != course->direction)
                return -EBADMSG;
        if (!datagrams_has(datagrams, inspector))
                return 0;
        switch (verdict->verdict) {
        case NX_VERDICT_ALLOW:
                let_pass(datagrams, inspector);
                break;
        case NX_VERDICT_DROP:
                set_cut(datagrams, -EPERM);
                break;
        case NX_VERDICT_FILTER_DATA:
                filter_data(course, inspector, verdict);
                break;
        case NX_VERDICT_PAUSE:
                judge_pause(&course->judges[inspector], !verdict->is_update);
                break;
        default:
                return -EBADMSG;
        }
        datagrams_run(datagrams);
        return 0;
}

void datagrams_retry(struct datagrams *datagrams, unsigned int inspector)
{
        if (!datagrams_has(datagrams, inspector))
                return;
        datagrams->outbound.judges[inspector].is_busy = false;
        datagrams->inbound.judges[inspector].is_busy = false;
        datagrams_run(datagrams);
}

void datagrams_remove_inspector(struct datagrams *datagrams, unsigned int inspector,
                                bool is_let_pass)
{
        if (!datagrams_has(datagrams, inspector))
                return;
        datagrams->removed |= 1ULL << inspector;
        if (!is_let_pass && (datagrams->outbound.judges[inspector].pass != FOR_EVER ||
                             datagrams->inbound.judges[inspector].pass != FOR_EVER))
                set_cut(datagrams, -ECONNABORTED);
        let_pass(datagrams, inspector);
        datagrams_run(datagrams);
}

void datagrams_cut(struct datagrams *datagrams, int error)
{
        set_cut(datagrams, error);
        datagrams_run(datagrams);
}

/* --- the pool ------------------------------------------------------------------------- */

int datagrams_pool_new(struct datagrams_pool **ret_pool, struct loop *loop,
                       const struct datagrams_listener *listener, size_t bytes_max)
{
        struct datagrams_pool *pool = calloc(1, sizeof(*pool));

        if (!pool)
                return -ENOMEM;
        pool->loop = loop;
        pool->listener = listener;
        pool->bytes_max = bytes_max;
        list_init(&pool->open);
        *ret_pool = pool;
        return 0;
}

struct datagrams_pool *datagrams_pool_free(struct datagrams_pool *pool)
{
        struct datagrams *flow;

        if (!pool)
                return NULL;
        while ((flow = list_first(&pool->open, struct datagrams, link))) {
                datagrams_close(flow);
                free(flow);
        }
        free(pool);
        return NULL;
}

void datagrams_pool_count(const struct datagrams_pool *pool, struct datagrams_counts *ret_counts)
{
        *ret_counts = (struct datagrams_counts){
                .n_open = pool->n_open,
                .n_bytes = pool->n_queued,
                .n_dropped = pool->n_dropped,
        };
}
