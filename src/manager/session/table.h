/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All sessions of the instance. */

#include "manager/session/session.h"

struct session_listener {
        /* Makes the extension of a session of that name, of what is installed and is per session.
         * -ESRCH: the configuration means no such. */
        int (*make_extension)(const struct configuration *configuration, const char *name,
                              struct extension **ret, char **ret_problem, void *userdata);
        /* Something that a later netextd needs to know has changed. */
        void (*changed)(void *userdata);
        /* A start has ended: result 0 runs, else negative errno and session->message. */
        void (*settled)(struct session *session, int result, void *userdata);
        /* A process of its extension has said hello: it is about to be connected. */
        void (*greeted)(struct session *session, struct run *run, void *userdata);
        /* It was stopped and is about to be freed. */
        void (*gone)(struct session *session, void *userdata);
};

struct session_table {
        sd_event *event; /* borrowed, like the next four */
        struct extension_table *extensions;
        struct engine *engine;
        const struct session_listener *listener;
        void *userdata;
        struct list sessions; /* session.link */
};

/* Borrows everything. */
void session_table_init(struct session_table *table, sd_event *event,
                        struct extension_table *extensions, struct engine *engine,
                        const struct session_listener *listener, void *userdata);
/* Leaves extensions alone. */
void session_table_deinit(struct session_table *table);

/*
 * Makes a session for session_start(), which tells by listener->settled what became of it: of the
 * installed extension that the configuration means, or of an anonymous one made for it. Takes
 * the configuration over on success. -EEXIST: it is there already; -ENOSPC: SESSIONS_MAX are.
 */
int session_table_add(struct session_table *table, struct configuration *configuration,
                      struct session **ret_session, char **ret_problem);
/* The same for one that was, with the extension that it had; slot is its, name is copied. */
int session_table_restore(struct session_table *table, struct configuration *configuration,
                          struct extension *extension, const char *name, unsigned int slot,
                          struct session **ret_session);
void session_table_resume(struct session_table *table);
/* Those of extension; NULL: all. */
void session_table_stop_all(struct session_table *table, const struct extension *extension,
                            enum nx_provider_stop_reason reason);

/* What the engine says; see struct engine_listener. */
void session_table_engine_ready(struct session_table *table, bool adopted);
void session_table_engine_died(struct session_table *table);
void session_table_engine_state(struct session_table *table, const struct wire_message *message);

struct session *session_table_find(struct session_table *table, const char *name);
struct session *session_table_find_slot(struct session_table *table, unsigned int slot);
/* The order in which a flow passes them; at most SESSIONS_MAX in ret. Returns how many. */
size_t session_table_get_chain(struct session_table *table, struct session *ret[SESSIONS_MAX]);

/* The extension of session calls itself name. 0; -EEXIST: another session is called that. */
int session_table_rename(struct session_table *table, struct session *session, const char *name);
