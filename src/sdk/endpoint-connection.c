/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Questions have numbers, and each is asked over one link. It is answered, or its deadline
 * comes, or its link ends: whichever is first calls its function, once. The other side's
 * questions are objects of their own, since an answer may take as long as it takes: one that
 * outlives its link is answered into the void.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/endpoint-connection.h"
#include "sdk/public.h"

#define NS_PER_MS 1000000ULL

struct asked {
        struct list list; /* link.asked, by id */
        struct nx_connection *connection;
        uint64_t id;
        struct loop_timer deadline;
        nx_answer_fn *fn;
        void *userdata;
};

struct nx_question {
        struct list list; /* link.owed */
        struct nx_connection *connection;
        struct link *link; /* NULL: it has ended */
        uint64_t id;
};

struct nx_connection *connection_ref(struct nx_connection *connection)
{
        connection->n_refs++;
        return connection;
}

struct nx_connection *connection_unref(struct nx_connection *connection)
{
        if (connection && --connection->n_refs == 0)
                connection->role->free(connection);
        return NULL;
}

static void asked_free(struct asked *asked)
{
        loop_timer_stop(&asked->deadline);
        list_remove(&asked->list);
        free(asked);
}

static void asked_end(struct asked *asked, int result, struct nx_message *answer)
{
        struct nx_connection *connection = asked->connection;
        struct nx_message nothing = {};
        nx_answer_fn *fn = asked->fn;
        void *userdata = asked->userdata;

        asked_free(asked);
        fn(connection, result, answer ?: &nothing, userdata);
}

static int asked_is_late(void *userdata)
{
        struct asked *asked = userdata;
        _cleanup_(cleanup_connection) struct nx_connection *connection =
                connection_ref(asked->connection);

        asked_end(asked, -ETIME, NULL);
        return 0;
}

void connection_forget(struct nx_connection *connection, struct link *link, int error)
{
        struct nx_question *question;
        struct asked *asked;

        while ((question = list_first(&link->owed, struct nx_question, list))) {
                list_remove(&question->list);
                question->link = NULL;
        }
        link->n_owed = 0;
        while ((asked = list_first(&link->asked, struct asked, list)))
                asked_end(asked, error, NULL);
}

/* Much of it comes from the other side: nothing that a terminal takes for a command. */
void connection_say(struct nx_connection *connection, const char *format, va_list args)
{
        vsnprintf(connection->error, sizeof(connection->error), format, args);
        for (char *at = connection->error; *at; at++)
                if ((unsigned char)*at < ' ' || *at == 0x7f)
                        *at = ' ';
}

void connection_end(struct nx_connection *connection, int error, const char *format, ...)
{
        va_list args;

        if (connection->result < 0)
                return;
        connection->result = error;
        va_start(args, format);
        connection_say(connection, format, args);
        va_end(args);
        link_close(connection->link);
        connection_forget(connection, connection->link, error);
        if (connection->handle_closed && !connection->is_closed)
                connection->handle_closed(connection, error, connection->userdata);
}

struct nx_message message_of_frame(struct frame *frame)
{
        return (struct nx_message){
                .bytes = frame->payload,
                .size = frame->size,
                .fds = frame->fds,
                .n_fds = frame->n_fds,
        };
}

static void refuse(struct link *link, uint64_t id, int error, const char *why)
{
        struct frame answer = {
                .type = FRAME_ANSWER, .id = id, .value = error, .payload = why, .size = strlen(why)
        };

        (void)link_send_anyway(link, &answer);
}

static int receive_question(struct nx_connection *connection, struct link *link,
                            struct frame *frame)
{
        struct nx_message message = message_of_frame(frame);
        struct nx_question *question;

        if (!connection->handle_message) {
                refuse(link, frame->id, -EOPNOTSUPP, "nobody here answers questions");
                return 0;
        }
        question = calloc(1, sizeof(*question));
        if (!question)
                return -ENOMEM;
        question->connection = connection_ref(connection);
        question->link = link;
        question->id = frame->id;
        list_append(&link->owed, &question->list);
        link_set_owed(link, 1);
        connection->handle_message(connection, &message, question, connection->userdata);
        return 0;
}

static int receive_answer(struct nx_connection *connection, struct link *link, struct frame *frame,
                          const char **ret_problem)
{
        struct nx_message message = message_of_frame(frame);
        struct asked *asked;

        list_for_each (asked, &link->asked, list) {
                if (asked->id != frame->id)
                        continue;
                asked_end(asked, frame->value == -ETIME ? -EPROTO : frame->value, &message);
                return 0;
        }
        if (frame->id > connection->last_question) {
                *ret_problem = "it answered what nobody asked";
                return -EBADMSG;
        }
        connection->n_late_answers++;
        return 0;
}

static int on_frame(struct link *link, struct frame *frame, const char **ret_problem,
                    void *userdata)
{
        struct nx_connection *connection = userdata;
        struct nx_message message = message_of_frame(frame);

        switch (frame->type) {
        case FRAME_MESSAGE:
                if (connection->handle_message)
                        connection->handle_message(connection, &message, NULL,
                                                   connection->userdata);
                return 0;
        case FRAME_QUESTION:
                return receive_question(connection, link, frame);
        case FRAME_ANSWER:
                return receive_answer(connection, link, frame, ret_problem);
        default:
                return connection->role->frame(connection, link, frame, ret_problem);
        }
}

static void on_ended(struct link *link, int error, const char *problem, void *userdata)
{
        struct nx_connection *connection = userdata;

        connection->role->link_ended(connection, link, error, problem);
}

static void on_drained(struct link *link, void *userdata)
{
        struct nx_connection *connection = userdata;

        if (connection->role->drained)
                connection->role->drained(connection, link);
}

static const struct link_ops link_ops = {
        .frame = on_frame,
        .ended = on_ended,
        .drained = on_drained,
};

struct link *connection_new_link(struct nx_connection *connection)
{
        return link_new(connection->loop, &link_ops, connection);
}

int connection_init(struct nx_connection *connection, const struct connection_role *role,
                    struct loop *loop)
{
        connection->n_refs = 1;
        connection->role = role;
        connection->loop = loop;
        connection->link = connection_new_link(connection);
        return connection->link ? 0 : -ENOMEM;
}

void connection_deinit(struct nx_connection *connection)
{
        connection->link = link_free(connection->link);
}

static int put_message(struct frame *frame, const struct nx_message *message)
{
        if (!message)
                return -EINVAL;
        if (message->size > NX_MESSAGE_SIZE_MAX)
                return -EMSGSIZE;
        if (message->n_fds > NX_MESSAGE_FDS_MAX || (message->size > 0 && !message->bytes))
                return -EINVAL;
        frame->payload = message->bytes;
        frame->size = message->size;
        frame->n_fds = message->n_fds;
        for (size_t i = 0; i < message->n_fds; i++)
                frame->fds[i] = message->fds[i];
        return 0;
}

_public_ int nx_connection_send(struct nx_connection *connection, const struct nx_message *message)
{
        struct frame frame = { .type = FRAME_MESSAGE };
        int r;

        if (connection->result < 0)
                return -EPIPE;
        r = put_message(&frame, message);
        return r < 0 ? r : link_send(connection->link, &frame);
}

_public_ int nx_connection_ask(struct nx_connection *connection, const struct nx_message *question,
                               uint32_t deadline_ms, nx_answer_fn *fn, void *userdata)
{
        struct frame frame = { .type = FRAME_QUESTION, .id = connection->last_question + 1 };
        struct asked *asked;
        int r;

        if (connection->result < 0)
                return -EPIPE;
        r = fn ? put_message(&frame, question) : -EINVAL;
        if (r < 0)
                return r;
        asked = calloc(1, sizeof(*asked));
        if (!asked)
                return -ENOMEM;
        r = link_send(connection->link, &frame);
        if (r < 0) {
                free(asked);
                return r;
        }
        connection->last_question = asked->id = frame.id;
        asked->connection = connection;
        asked->fn = fn;
        asked->userdata = userdata;
        list_append(&connection->link->asked, &asked->list);
        loop_timer_init(&asked->deadline, asked_is_late, asked);
        if (deadline_ms != NX_NO_DEADLINE) {
                loop_timer_start(connection->loop, &asked->deadline,
                                 now_ns() + deadline_ms * NS_PER_MS);
                loop_arm(connection->loop);
        }
        return 0;
}

/* Whoever asked hears something in any case. */
static int send_answer(struct link *link, const struct frame *answer)
{
        int r = link_send_anyway(link, answer);

        if (r < 0)
                refuse(link, answer->id, -EIO, "the answer cannot be sent");
        return r;
}

static int question_end(struct nx_question *question, const struct frame *answer)
{
        struct link *link = question->link;
        int r = -EPIPE;

        if (link) {
                list_remove(&question->list);
                if (link_is_open(link))
                        r = send_answer(link, answer);
                link_set_owed(link, -1);
        }
        connection_unref(question->connection);
        free(question);
        return r;
}

_public_ int nx_question_refuse(struct nx_question *question, int error, const char *why)
{
        struct frame frame = { .type = FRAME_ANSWER, .id = question->id, .value = error };
        bool is_valid = error < 0 && error >= -4095 && error != -ETIME;
        int r;

        frame.payload = why;
        frame.size = why ? strnlen(why, NX_MESSAGE_SIZE_MAX) : 0;
        if (!is_valid)
                frame.value = -EIO;
        r = question_end(question, &frame);
        return is_valid ? r : -EINVAL;
}

_public_ int nx_question_answer(struct nx_question *question, const struct nx_message *answer)
{
        struct frame frame = { .type = FRAME_ANSWER, .id = question->id };
        int r = put_message(&frame, answer);

        if (r < 0) {
                (void)nx_question_refuse(question, r, "the answer cannot be sent");
                return r;
        }
        return question_end(question, &frame);
}

_public_ struct nx_connection *nx_connection_close(struct nx_connection *connection)
{
        if (!connection || connection->is_closed)
                return NULL;
        connection->is_closed = true;
        connection->handle_message = NULL;
        connection_end(connection, -ECANCELED, "it was closed");
        connection->role->close(connection);
        return NULL;
}

_public_ uint64_t nx_connection_get_late_answers(const struct nx_connection *connection)
{
        return connection->n_late_answers;
}

_public_ const char *nx_connection_get_error(const struct nx_connection *connection)
{
        return connection->error[0] ? connection->error : "no error";
}

_public_ void nx_connection_set_data(struct nx_connection *connection, void *data)
{
        connection->data = data;
}

_public_ void *nx_connection_get_data(const struct nx_connection *connection)
{
        return connection->data;
}
