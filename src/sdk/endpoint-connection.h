/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What both sides of a connection have in common: messages, questions, answers, and how it ends.
 * A side adds what its role says (endpoint-client.c, endpoint.c), and embeds the connection.
 */

#include <stdarg.h>

#include <netext/endpoint.h>

#include "base/cleanup.h"
#include "sdk/endpoint-link.h"

struct connection_role {
        /* A frame that is of one side only. 0, or -EBADMSG with *ret_problem. */
        int (*frame)(struct nx_connection *connection, struct link *link, struct frame *frame,
                     const char **ret_problem);
        void (*link_ended)(struct nx_connection *connection, struct link *link, int error,
                           const char *problem);
        void (*drained)(struct nx_connection *connection, struct link *link); /* may be NULL */
        /* The caller closed it: to be freed, now or when nothing works with it any more. */
        void (*close)(struct nx_connection *connection);
        /* The last reference is gone. */
        void (*free)(struct nx_connection *connection);
};

struct nx_connection {
        unsigned int n_refs; /* the owner's, one for each nx_question, and who works with it */
        const struct connection_role *role;
        struct loop *loop; /* borrowed */
        struct link *link; /* what is new goes here */
        nx_message_fn *handle_message;
        nx_closed_fn *handle_closed;
        void *userdata; /* of the functions */
        void *data;
        uint64_t last_question;
        uint64_t n_late_answers;
        bool is_closed; /* by nx_connection_close(): no function is called any more */
        int result;     /* why it ended, or 0 */
        char error[512];
};

/* For a zeroed one. 0 or -ENOMEM. */
int connection_init(struct nx_connection *connection, const struct connection_role *role,
                    struct loop *loop);
void connection_deinit(struct nx_connection *connection);
/* A link of the connection's. NULL: no memory. */
struct link *connection_new_link(struct nx_connection *connection);

struct nx_connection *connection_ref(struct nx_connection *connection);
struct nx_connection *connection_unref(struct nx_connection *connection);

/* Ends it: who asked is told, then handle_closed is called. The first time counts. */
void connection_end(struct nx_connection *connection, int error, const char *format, ...)
        _printf_(3, 4);
/* Keeps the sentence for people. */
void connection_say(struct nx_connection *connection, const char *format, va_list args)
        _printf_(2, 0);
/* What was asked over link gets no answer; what was asked there cannot be answered. */
void connection_forget(struct nx_connection *connection, struct link *link, int error);

/* A message that borrows from frame. */
struct nx_message message_of_frame(struct frame *frame);

DEFINE_CLEANUP(struct nx_connection *, connection, connection_unref)
