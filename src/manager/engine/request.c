/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Requests wait in a list and are found by the id that their answers carry. An answer
 * to a request that is not there any more (it timed out) is dropped. How many may wait
 * is bounded (but for our own, of which there is one), for how long, and how many flowd is asked
 * at once.
 */

#include <errno.h>

#include "manager/engine/request.h"
#include "manager/loop/timer.h"

#define REQUESTS_MAX       256
#define REQUESTS_SENT_MAX  8 /* flowd refuses more than 16 lists at a time */
#define REQUEST_TIMEOUT_MS 5000
#define SYNC_TIMEOUT_MS    30000 /* a slow machine starts slowly */

struct engine_request {
        struct list link; /* engine.requests */
        struct engine *engine;
        sd_event_source *deadline;
        struct engine_question question;
        uint64_t id;
        bool sent;
        engine_item_fn *item_fn;
        engine_done_fn *done_fn;
        void *userdata;
};

static struct engine_request *request_free(struct engine_request *request)
{
        list_remove(&request->link);
        request->engine->n_requests--;
        request->engine->n_requests_sent -= request->sent;
        timer_stop(&request->deadline);
        free(request->question.letter);
        free(request);
        return NULL;
}

static uint64_t request_timeout_ms(const struct engine_request *request)
{
        return request->question.type == NX_MSG_FLOWD_SYNC ? SYNC_TIMEOUT_MS : REQUEST_TIMEOUT_MS;
}

static int request_send(struct engine_request *request)
{
        const struct engine_question *question = &request->question;
        struct engine *engine = request->engine;
        struct wire_writer *writer;

        request->sent = true;
        engine->n_requests_sent++;
        writer = peer_begin(&engine->peer, question->type, request->id);
        if (question->letter)
                wire_put_copies(writer, &question->letter->message, ~(wire_attributes)0);
        if (question->set[0])
                wire_put_string(writer, WIRE_ATTR_NAME, question->set);
        if (question->flow)
                wire_put(writer, WIRE_ATTR_FLOW, question->flow);
        if (question->count)
                wire_put(writer, WIRE_ATTR_COUNT, question->count);
        if (question->program[0])
                wire_put_string(writer, WIRE_ATTR_PROGRAM, question->program);
        if (question->has_remote)
                wire_put_address(writer, WIRE_ATTR_REMOTE_ADDRESS, &question->remote);
        if (question->port)
                wire_put(writer, WIRE_ATTR_REMOTE_PORT, question->port);
        return peer_send(&engine->peer, -1);
}

static bool is_connected(const struct engine *engine)
{
        return engine->state == ENGINE_READY || engine->state == ENGINE_ADOPTING;
}

static bool may_send(const struct engine *engine)
{
        return is_connected(engine) && engine->n_requests_sent < REQUESTS_SENT_MAX;
}

/* One that cannot be sent is timed out. */
void engine_requests_send(struct engine *engine)
{
        struct engine_request *request;

        list_for_each (request, &engine->requests, link) {
                if (!may_send(engine))
                        return;
                if (!request->sent)
                        (void)request_send(request);
        }
}

static void request_end(struct engine_request *request, int result)
{
        engine_done_fn *done_fn = request->done_fn;
        struct engine *engine = request->engine;
        void *userdata = request->userdata;

        request_free(request);
        engine_requests_send(engine);
        done_fn(result, userdata);
}

/* Many large answers take their time; what counts is that flowd is answering at all. */
static int request_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct engine_request *request = userdata;
        struct engine *engine = request->engine;

        if (clock_now_ms() - engine->answered_ms < request_timeout_ms(request))
                return timer_start(engine->event, &request->deadline, request_timeout_ms(request),
                                   request_late, request);
        request_end(request, -ETIMEDOUT);
        return 0;
}

static struct engine_request *request_find(struct engine *engine, uint64_t id)
{
        struct engine_request *request;

        list_for_each (request, &engine->requests, link)
                if (request->id == id)
                        return request;
        return NULL;
}

int engine_ask(struct engine *engine, const struct engine_question *question,
               engine_item_fn *item_fn, engine_done_fn *done_fn, void *userdata)
{
        _cleanup_(cleanup_letter) struct letter *letter = question->letter;
        struct engine_request *request;
        int r;

        if (!question->waits && !is_connected(engine))
                return -ENOTCONN;
        if (engine->n_requests >= REQUESTS_MAX && question->type != NX_MSG_FLOWD_SYNC)
                return -EBUSY;
        request = malloc(sizeof(*request));
        if (!request)
                return -ENOMEM;
        *request = (struct engine_request){
                .engine = engine,
                .question = *question,
                .id = ++engine->last_id,
                .item_fn = item_fn,
                .done_fn = done_fn,
                .userdata = userdata,
        };
        take_ptr(letter);
        list_append(&engine->requests, &request->link);
        engine->n_requests++;
        r = timer_start(engine->event, &request->deadline, request_timeout_ms(request),
                        request_late, request);
        if (r >= 0 && may_send(engine))
                r = request_send(request);
        if (r < 0)
                request_free(request);
        return r;
}

void engine_request_item(struct engine *engine, const struct wire_message *message)
{
        struct engine_request *request = request_find(engine, message->id);

        engine->answered_ms = clock_now_ms();
        if (request && request->item_fn)
                request->item_fn(message, request->userdata);
}

void engine_request_done(struct engine *engine, uint64_t id, int result)
{
        struct engine_request *request = request_find(engine, id);

        engine->answered_ms = clock_now_ms();
        if (request)
                request_end(request, result);
}

static bool is_lost(const struct engine_request *request, bool all)
{
        return all || request->sent || !request->question.waits;
}

void engine_requests_end(struct engine *engine, int result, bool all)
{
        struct engine_request *request, *following;

        list_for_each_safe (request, following, &engine->requests, link)
                if (is_lost(request, all))
                        request_end(request, result);
}
