/* SPDX-License-Identifier: Apache-2.0 */

/* See app.h. */

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app.h"

#define PATIENCE_MS 10000

uint64_t clock_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

unsigned int count_descriptors(void)
{
        DIR *folder = opendir("/proc/self/fd");
        unsigned int n = 0;

        while (readdir(folder))
                n++;
        closedir(folder);
        return n;
}

struct nx_message text_message(const char *text)
{
        return (struct nx_message){ .bytes = text, .size = strlen(text) };
}

static void on_open(struct nx_connection *connection, void *userdata)
{
        struct app *app = userdata;

        app->n_opened++;
}

static void on_closed(struct nx_connection *connection, int result, void *userdata)
{
        struct app *app = userdata;

        app->n_closed++;
        app->closed_for = result;
}

static void on_event(struct nx_connection *connection, const struct nx_message *event,
                     uint32_t n_dropped, void *userdata)
{
        struct app *app = userdata;
        unsigned int number = (unsigned int)atoi(event->bytes);

        app->is_in_order &= app->n_events == 0 || number == app->last_event + 1 + n_dropped;
        app->last_event = number;
        app->n_dropped += n_dropped;
        app->n_events++;
}

/* The extension asks: the same comes back. */
static void on_message(struct nx_connection *connection, struct nx_message *message,
                       struct nx_question *question, void *userdata)
{
        struct app *app = userdata;

        if (question && app->keeps_questions) {
                app->kept = question;
                snprintf(app->kept_text, sizeof(app->kept_text), "%.*s", (int)message->size,
                         (const char *)message->bytes);
                app->n_kept++;
        } else if (question) {
                (void)nx_question_answer(question, message);
        }
}

void app_answer_kept(struct app *app)
{
        struct nx_message answer = text_message(app->kept_text);

        assert_int_equal(nx_question_answer(app->kept, &answer), 0);
}

void app_open(struct app *app, const char *endpoint, bool wants_events)
{
        const struct nx_connection_options options = {
                NX_CONNECTION_OPTIONS_INIT,
                .instance = "test",
                .handle_open = on_open,
                .handle_message = on_message,
                .handle_event = wants_events ? on_event : NULL,
                .handle_closed = on_closed,
                .userdata = app,
        };

        *app = (struct app){ .is_in_order = true };
        assert_int_equal(nx_connection_open(&app->connection, endpoint, &options), 0);
}

void app_close(struct app *app)
{
        app->connection = nx_connection_close(app->connection);
}

const char *app_call(struct app *app, const char *question)
{
        static char text[NX_MESSAGE_SIZE_MAX + 1];
        struct nx_message message = text_message(question), *answer;
        int r;

        r = nx_connection_call(app->connection, &message, NX_NO_DEADLINE, &answer);
        if (r < 0) {
                snprintf(text, sizeof(text), "(%d)", -r);
                return text;
        }
        memcpy(text, answer->bytes, answer->size);
        text[answer->size] = '\0';
        nx_message_free(answer);
        return text;
}

static void on_answer(struct nx_connection *connection, int result, struct nx_message *answer,
                      void *userdata)
{
        struct app *app = userdata;
        size_t length = strlen(app->answers), room = sizeof(app->answers) - length;

        app->n_answers++;
        if (result < 0)
                snprintf(app->answers + length, room, "(%d) ", -result);
        else
                snprintf(app->answers + length, room, "%.*s ", (int)answer->size,
                         (const char *)answer->bytes);
}

void app_ask(struct app *app, const char *question, uint32_t deadline_ms)
{
        struct nx_message message = text_message(question);

        assert_int_equal(nx_connection_ask(app->connection, &message, deadline_ms, on_answer, app),
                         0);
}

void app_send(struct app *app, const char *text)
{
        struct nx_message message = text_message(text);

        assert_int_equal(nx_connection_send(app->connection, &message), 0);
}

static int dispatch_once(struct app *app, int timeout_ms)
{
        struct pollfd pollfd = { .fd = nx_connection_get_fd(app->connection), .events = POLLIN };

        if (poll(&pollfd, 1, timeout_ms) <= 0)
                return 0;
        return nx_connection_dispatch(app->connection);
}

void app_wait(struct app *app, const unsigned int *counter, unsigned int n)
{
        uint64_t end = clock_ms() + PATIENCE_MS;

        while (*counter < n && dispatch_once(app, 100) >= 0)
                assert_true(clock_ms() < end);
}

int app_wait_for_end(struct app *app)
{
        app_wait(app, &app->n_closed, 1);
        return nx_connection_dispatch(app->connection);
}

void app_dispatch_for(struct app *app, unsigned int ms)
{
        uint64_t end = clock_ms() + ms;

        while (clock_ms() < end)
                (void)dispatch_once(app, (int)(end - clock_ms()));
}
