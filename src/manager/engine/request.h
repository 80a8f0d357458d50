/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Questions to flowd: each is answered by any number of messages and one end. */

#include "manager/engine/engine.h"
#include "wire/letter.h"

/* message: MANAGER_FLOW, MANAGER_STATUS or MANAGER_RULE. */
typedef void engine_item_fn(const struct wire_message *message, void *userdata);
/* Once for each request. result: flowd's, -ECONNRESET where it died, -ETIMEDOUT where it
 * does not answer. */
typedef void engine_done_fn(int result, void *userdata);

struct engine_question {
        /* FLOWD_FLOW_LIST, FLOWD_FLOWS_…, FLOWD_STATUS_GET, FLOWD_SET_CHECK, FLOWD_RULES_… */
        enum wire_message_type type;
        struct letter *letter; /* FLOWD_RULES_…, whole; handed over, also on failure; or NULL */
        char set[ENGINE_SET_NAME_SIZE];
        uint64_t flow;                 /* only that one; 0: all */
        uint64_t count;                /* the newest; 0: all */
        char program[WIRE_STRING_MAX]; /* only that one's; "": all */
        bool has_remote;               /* only those to it */
        struct in6_addr remote;
        uint16_t port; /* only those to it; 0: all */
        bool waits;    /* for the next flowd, where none is there now */
};

/* 0; else negative errno and the functions are not called: -ENOTCONN without a flowd for
 * one that does not wait, -EBUSY where too many do. */
int engine_ask(struct engine *engine, const struct engine_question *question,
               engine_item_fn *item_fn, engine_done_fn *done_fn, void *userdata);

/* For engine.c: an answer came. */
void engine_request_item(struct engine *engine, const struct wire_message *message);
void engine_request_done(struct engine *engine, uint64_t id, int result);
/* flowd can be asked again. */
void engine_requests_send(struct engine *engine);
/* It cannot: what it was asked ends with result, and what waits as well if that is all. */
void engine_requests_end(struct engine *engine, int result, bool all);
