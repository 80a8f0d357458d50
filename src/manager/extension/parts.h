/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For the files of this folder, the sessions, and the state file. */

#include "manager/extension/client.h"
#include "manager/extension/extension.h"
#include "manager/extension/lines.h"
#include "manager/extension/run.h"
#include "manager/loop/restarts.h"

#define EXTENSIONS_MAX 128

struct extension {
        struct list link; /* extension_table.extensions */
        struct extension_table *table;
        unsigned int number;          /* free for others when it is gone: its cgroup's name */
        char *name;                   /* for messages */
        struct extension_spec spec;   /* owned */
        struct extension_spec coming; /* owned: the successor's; empty: there is none */
        enum extension_state state;
        struct list runs;    /* run.link */
        struct list clients; /* extension_client.link */
        uint32_t last_run;
        uint32_t hello_timeout_ms;
        bool ran;        /* it did its work once: deaths from now on mean restart */
        bool struggling; /* it failed and is tried again: not often */
        bool unsettled;  /* who started it has not been told what became of that */
        bool vouched;    /* the next process may be made without asking */
        bool asked;      /* whether it may, and there is no answer yet */
        bool removing;
        bool lasting; /* it is there for the sessions of an earlier netextd, and tried for them
                       * until it has run */
        struct restarts restarts;
        char *last_exit;
        char *message;             /* what the administrator should know */
        struct lines lines;        /* the last that its processes wrote */
        sd_event_source *deadline; /* for the next start, or the end of its cgroup */
        unsigned int n_removals;
        uid_t uid;
        int cgroup_fd;
        uint64_t cgroup_id;
};

static inline bool extension_is_anonymous(const struct extension *extension)
{
        return !extension->spec.team;
}

/* It was made for one session, and goes with it. */
static inline bool extension_is_of_session(const struct extension *extension)
{
        return extension_is_anonymous(extension) || extension->spec.per_session;
}

/* In spec.c. 0 or -ENOMEM. */
int extension_spec_copy(struct extension_spec *ret, const struct extension_spec *spec);
void extension_spec_deinit(struct extension_spec *spec);

/* For extension_start(), or to be filled from the state file. name is copied. -ENOSPC: there are
 * EXTENSIONS_MAX. */
int extension_new(struct extension_table *table, const char *name,
                  const struct extension_spec *spec, struct extension **ret);
/* NULL in, NULL out. Leaves its processes alone. */
struct extension *extension_free(struct extension *extension);
int extension_set_name(struct extension *extension, const char *name);
/* Makes its process; what becomes of it is told. */
void extension_start(struct extension *extension);
/* The same from the loop, so that nothing is told before the caller is ready for it. */
void extension_start_soon(struct extension *extension);
/* After an earlier netextd: runs and cgroup are set. */
void extension_resume(struct extension *extension);
DEFINE_CLEANUP(struct extension *, extension, extension_free)

/* Its cgroup, made where there is none. */
int extension_open_cgroup(struct extension *extension);
/* As its spec says, for each process that it has now. */
void extension_limit(struct extension *extension);

static inline const struct extension_spec *extension_spec_of(const struct run *run)
{
        return run->role == RUN_COMING ? &run->extension->coming : &run->extension->spec;
}

/* NULL: it has none. */
struct run *extension_find_run(const struct extension *extension, enum run_role role);
struct run *extension_find_number(const struct extension *extension, uint32_t number);
struct run *extension_incumbent(const struct extension *extension);

void extension_changed(struct extension *extension);
/* Starts the next incumbent after a pause, or fails where there were too many. */
void extension_restart(struct extension *extension);
/* Who asked for a start or a replacement is told. */
void extension_settle(struct extension *extension, int result);
void extension_tell_ready(struct extension *extension);
/* Its process runs: why one before it did not is no news any more. */
void extension_set_ready(struct extension *extension);

/* In replace.c. */

/* The successor said hello, or one of its sessions runs, or is gone: it takes its turn when all
 * are ready. */
void extension_try_turn(struct extension *extension);
/* Tells flowd, perhaps again, whose turn it is. */
void extension_tell_turn(struct extension *extension);
/* The successor is gone: nothing has changed, and the reason is kept. failure: 0 or a negative
 * errno with a problem, which may be NULL. */
void extension_roll_back(struct extension *extension, int failure, const char *problem,
                         const char *how);
/* A process that leaves has no more flows of the sessions of slots. */
void extension_drained(struct run *run, uint64_t slots);
/* One that leaves says hello again: to a netextd that is new, or because its channel was closed. */
void extension_left_one_is_back(struct run *run);
/* Nobody at its endpoints waits for it any more. */
void extension_peers_left(struct run *run);

/* What its processes do; called by run.c. */
void extension_run_greeted(struct run *run);
void extension_run_lost(struct run *run);
void extension_run_reported(struct run *run, const char *session, const char *text);
int extension_run_message(struct run *run, const struct wire_message *message, int *fd);
void extension_run_asked(struct run *run, const struct wire_message *message);
void extension_run_called_keys(struct run *run, const struct wire_message *message, int fd);
void extension_run_silent(struct run *run);
/* Frees the run. */
void extension_run_ended(struct run *run, const char *how);
