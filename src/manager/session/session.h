/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A session: one provider of an extension, which filters or proxies flows, kept running as
 * configured. session.c is its state machine, provider.c its place between flowd and the
 * extension, place.c where it stands in the chain, files.c the files of its configuration,
 * table.c all sessions of the instance. The process is the extension's (../extension).
 */

#include "base/list.h"
#include "manager/engine/engine.h"
#include "manager/extension/parts.h"
#include "manager/session/configuration.h"
#include "manager/session/files.h"

#define SESSIONS_MAX 64 /* a session is a slot, 0 to 63, in messages and in the kernel's maps */

struct session_table;

struct session {
        struct list link; /* session_table.sessions */
        struct session_table *table;
        unsigned int slot;
        char *name; /* as configured, or the extension's identifier; a guess until it told that */
        struct configuration configuration;
        int kind; /* enum nx_provider_kind; 0: the extension did not say yet what it provides */
        enum wire_session_state state;
        uint64_t activated_ns;     /* CLOCK_REALTIME: breaks ties in the chain */
        uint64_t running_since_ns; /* CLOCK_REALTIME; 0: does not run */
        char *message;             /* what the administrator should know */

        /* What has been reached. */
        bool ran;            /* its provider ran once */
        bool announced;      /* flowd knows it, the next flowd will be told */
        bool has_channel;    /* the extension's incumbent and flowd are connected */
        bool stopping;       /* it was stopped: it is freed when all is gone */
        bool has_successor;  /* the extension's successor and flowd are connected */
        bool successor_runs; /* and its provider there runs */

        /* The extension. */
        struct extension *extension;
        struct extension_client client; /* of it */
        struct watched_file files[CONFIGURATION_FILES_MAX];
        size_t n_files;
};

/* Takes the configuration over; name is copied. NULL: no memory. */
struct session *session_new(struct session_table *table, unsigned int slot, const char *name,
                            struct configuration *configuration, struct extension *extension);
/* NULL in, NULL out. Leaves the extension alone. */
struct session *session_free(struct session *session);

/* In place.c. As decided, else as configured; 0: not known yet. */
int session_get_kind(const struct session *session);
/* enum nx_filter_grade; 0: it is no filter, or not known to be one. */
int session_get_grade(const struct session *session);

void session_start(struct session *session);
/* Ends it, and tells its provider why; may free it before it returns. Repeating is harmless. */
void session_stop(struct session *session, enum nx_provider_stop_reason reason);
/* After an earlier netextd, before its extension is. */
void session_resume(struct session *session);

/* What the engine says. */
void session_engine_ready(struct session *session, bool adopted);
void session_engine_died(struct session *session);
void session_engine_state(struct session *session, uint32_t run, enum wire_session_state state,
                          int result, const char *text);
/* That process of its extension has none of its flows any more. */
void session_engine_drained(struct session *session, uint32_t run);

/* For the files of this folder. */

void session_changed(struct session *session);
/* A start has ended: 0, or negative errno. */
void session_settled(struct session *session, int result);
/* The fail policy stands in flowd until the session is stopped or started again. */
void session_fail(struct session *session, int error);
/* Something is wrong with the provider in that process. The process ends, where it is all that the
 * extension is for, or the session fails; text is the session's message. */
void session_fault(struct session *session, struct run *run, int error, const char *format, ...)
        _printf_(4, 5);

/* In provider.c. */
void session_greeted(struct session *session, struct run *run);
/* The successor is the incumbent now. */
void session_turned(struct session *session, struct run *run);
/* Sends a file to the extension. */
void session_file_changed(struct watched_file *file, const char *problem, void *userdata);
