/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The control API: D-Bus without a bus on the instance's socket. bus.c has the
 * connections, manager-interface.c the methods, answer.c those whose answers come from
 * flowd, call.c those that wait for a session, sets.c those about sets of destinations,
 * questions.c those of prompts, keys.c those about secrets and keys, rules.c those about rules in
 * force, configuration-reader.c the arguments of StartSession, record.c what objects look like,
 * permission.c who may change something.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "manager/ask/question.h"
#include "manager/authority/authority.h"
#include "manager/endpoint/table.h"
#include "manager/keys/keys.h"
#include "manager/priv/caller.h"
#include "manager/session/table.h"
#include "manager/set/table.h"
#include "manager/store/store.h"

#define CONTROL_PATH      "/org/netext1"
#define CONTROL_INTERFACE "org.netext1.Manager"

struct control {
        sd_event *event;
        const struct options *options; /* borrowed, like the next eight */
        const struct paths *paths;
        struct session_table *sessions;
        struct set_table *sets;
        struct store *store;
        const struct endpoint_table *endpoints;
        struct questions *questions;
        struct keys *keys;
        struct engine *engine;
        int listen_fd;
        sd_event_source *source;
        struct list clients; /* client.link */
        unsigned int n_root_clients;
        struct list calls; /* call.link */
        unsigned int n_calls;
        struct authority authority;
        bool ending; /* the instance ends: nothing new is started */
};

struct client {
        struct list link; /* control.clients */
        struct control *control;
        struct caller caller; /* owned */
        sd_bus *bus;
        struct list permissions; /* permission.link: calls that wait for one */
        struct list answers;     /* answer.link */
        unsigned int n_answers;
        struct list follows; /* follow.link: requests whose outcome it has still to hear */
        unsigned int n_follows;
        bool is_prompt; /* it asks people what extensions want to know */
        bool watching;
        uint64_t n_missed; /* events that were dropped since it fell behind */
};

/* Borrows everything. */
void control_init(struct control *control, sd_event *event, const struct options *options,
                  const struct paths *paths, struct session_table *sessions, struct set_table *sets,
                  struct store *store, const struct endpoint_table *endpoints,
                  struct questions *questions, struct keys *keys, struct engine *engine);
/* Starts to listen. 0 or negative errno. */
int control_open(struct control *control);
/* Somebody has another way to us, and this is his end of a connection. Both are taken over, also on
 * failure: -EUSERS, he has as many as may be, or another negative errno. */
int control_admit(struct control *control, struct caller *caller, int fd);
void control_deinit(struct control *control);

/* What became of sessions: answers who waits for it. */
void control_session_settled(struct control *control, struct session *session, int result);
void control_session_gone(struct control *control, struct session *session);
void control_extension_settled(struct control *control, struct extension *extension, int result);
/* An event of a flow, for the clients that watch. */
void control_flow_event(struct control *control, const struct wire_message *message);

/* A question to people, and what became of it, for the clients that are prompts. answer: NULL
 * unless it was answered. */
void control_question_asked(struct control *control, const struct question *question);
void control_question_over(struct control *control, const struct question *question,
                           enum question_end end, const struct question_answer *answer);
/* A request has come further, for the clients that follow it. */
void control_request_changed(struct control *control, const struct request *request);
/* Does any client? */
bool control_has_audience(struct control *control, uint64_t request);

/* For the files of this folder. */

extern const sd_bus_vtable manager_interface[];

static inline bool client_is_root(const struct client *client)
{
        return client->caller.uid == 0;
}

/* Whether the flow that the message is about is the client's, or somebody's on whose behalf it is:
 * nobody but root sees what others do. */
bool client_may_see_flow(const struct client *client, const struct wire_message *flow);

/* Messages that wait because the client does not read. */
uint64_t client_get_queued(const struct client *client);
void client_watch(struct client *client, bool enable);

/* Refuses a call as System.Error.ENAME. Returns what a method handler returns then. */
int control_refuse(sd_bus_message *message, int error, const char *format, ...) _printf_(3, 4);
