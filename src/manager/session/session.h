/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A session: one extension that filters or proxies flows, kept running as configured. session.c is
 * its state machine, provider.c its place between flowd and the extension, extension.c
 * the process and its control channel, place.c where it stands in the chain, files.c the files of
 * its configuration, table.c all sessions of the instance.
 */

#include "base/list.h"
#include "manager/engine/engine.h"
#include "manager/loop/peer.h"
#include "manager/loop/restarts.h"
#include "manager/priv/process.h"
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
        char *last_exit;
        char *message; /* what the administrator should know */
        struct restarts restarts;
        sd_event_source *deadline; /* for whatever is waited for in this state */

        /* What has been reached. */
        bool ran;         /* its provider ran once: deaths from now on mean restart */
        bool announced;   /* flowd knows it, the next flowd will be told */
        bool has_channel; /* extension and flowd are connected */
        bool ending;      /* the extension was told to end */
        bool stopping;    /* the session was: it is freed when all is gone */
        int failure;      /* negative errno for who waits for the start */
        unsigned int n_removals;

        /* The extension. */
        struct process process;
        struct peer control;
        bool greeted; /* it said hello on this control channel */
        uid_t uid;
        int cgroup_fd;
        uint64_t cgroup_id;
        struct watched_file files[CONFIGURATION_FILES_MAX];
        size_t n_files;
        uint64_t reports_at_ms; /* start of the second in which n_reports came */
        unsigned int n_reports;
};

/* Takes the configuration over; name is copied. NULL: no memory. */
struct session *session_new(struct session_table *table, unsigned int slot, const char *name,
                            struct configuration *configuration);
/* NULL in, NULL out. Leaves a running extension alone. */
struct session *session_free(struct session *session);

/* In place.c. As decided, else as configured; 0: not known yet. */
int session_get_kind(const struct session *session);
/* enum nx_filter_grade; 0: it is no filter, or not known to be one. */
int session_get_grade(const struct session *session);

void session_start(struct session *session);
/* Ends it; may free it before it returns. Repeating is harmless. */
void session_stop(struct session *session);
/* After an earlier netextd: process and cgroup are set, or the process is gone. */
void session_resume(struct session *session);

/* What the engine says. */
void session_engine_ready(struct session *session, bool adopted);
void session_engine_died(struct session *session);
void session_engine_state(struct session *session, enum wire_session_state state, int result,
                          const char *text);

/* For the files of this folder. */

void session_changed(struct session *session);
/* A start has ended: 0, or negative errno. */
void session_settled(struct session *session, int result);
/* Ends the extension unless it says hello in time. */
void session_wait_for_hello(struct session *session);
/* SIGTERM, then SIGKILL. */
void session_end_extension(struct session *session);

/* What the extension does; called by extension.c. */
void session_greeted(struct session *session);
void session_control_lost(struct session *session, const char *why);
void session_extension_ended(struct session *session, const char *how);
/* Ends the extension for a fault of its own; error and text are the session's failure. */
void session_fault(struct session *session, int error, const char *format, ...) _printf_(3, 4);
