/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An app of the test: a connection, and what it was told. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netext/endpoint.h>

#define TALK "EXAMPLE.org.example.talker.talk"

struct app {
        struct nx_connection *connection;
        unsigned int n_opened, n_closed, n_events, n_answers;
        int closed_for;
        uint32_t n_dropped;      /* what its events said, in sum */
        unsigned int last_event; /* the number at its beginning */
        bool is_in_order;
        bool keeps_questions; /* the extension's: answered by app_answer_kept() */
        unsigned int n_kept;
        struct nx_question *kept;
        char kept_text[64];
        char answers[512]; /* "text " of each that came, or "(errno) " */
};

struct nx_message text_message(const char *text);
/* Opens; functions of events only where wants_events. */
void app_open(struct app *app, const char *endpoint, bool wants_events);
void app_close(struct app *app);
/* Asks and waits: the answer, until the next call; "(errno)" of what it failed with. */
const char *app_call(struct app *app, const char *question);
/* Asks and goes on; the answer is added to app->answers. */
void app_ask(struct app *app, const char *question, uint32_t deadline_ms);
void app_send(struct app *app, const char *message);
void app_answer_kept(struct app *app);
/* Dispatches until *counter is at least n, or the connection ends; gives up after 10 s. */
void app_wait(struct app *app, const unsigned int *counter, unsigned int n);
/* Dispatches until the connection ends. The result. */
int app_wait_for_end(struct app *app);
/* For as long. */
void app_dispatch_for(struct app *app, unsigned int ms);
uint64_t clock_ms(void);
/* Open descriptors of this process. */
unsigned int count_descriptors(void);
