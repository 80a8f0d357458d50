/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One process of an extension, from its start to its end, and its control channel. What it says
 * there is checked by the codec and by the order hello → reports; what it makes us log is
 * bounded. A process that does not read its channel is faulty, so nothing piles up for it.
 */

#include "manager/extension/extension.h"
#include "manager/extension/words.h"
#include "manager/loop/peer.h"
#include "manager/priv/process.h"

enum run_role {
        RUN_INCUMBENT, /* the process that counts */
        RUN_COMING,    /* its successor, which starts beside it */
        RUN_LEAVING,   /* it was the incumbent, and has flows that are not over */
        _RUN_ROLE_MAX,
        _RUN_ROLE_INVALID = -EINVAL,
};

struct run {
        struct list link; /* extension.runs */
        struct extension *extension;
        enum run_role role;
        uint32_t number; /* the extension's first process is 1 */
        struct process process;
        pid_t pid; /* also after its end */
        struct peer control;
        struct words words;
        bool greeted;           /* it said hello on this control channel */
        bool ending;            /* it was told to end */
        char *name;             /* what it calls itself; NULL before its first hello */
        char *digest;           /* of the copy that it is made of; NULL: of none */
        uint64_t kinds;         /* what it provides: 1 << enum nx_provider_kind */
        uint64_t since_ns;      /* CLOCK_REALTIME of its first hello */
        int failure;            /* negative errno: why we ended it */
        char *problem;          /* the sentence to it */
        char *said;             /* what it reported last */
        uint64_t leaving_slots; /* sessions that it has flows of, a bit each */
        bool has_peers;         /* one that leaves: apps at its endpoints wait for answers */
        uint64_t late_at_ms;    /* one that leaves: CLOCK_MONOTONIC, when its grace time is over */
        sd_event_source *deadline;
        uint64_t reports_at_ms; /* start of the second in which n_reports came */
        unsigned int n_reports;
};

/* Was it granted to see what flows carry? */
bool run_may_inspect(const struct run *run);
/* What it is made of. 0 or -ENOMEM. */
int run_set_digest(struct run *run, const char *digest);
/* Makes the process, in the extension's cgroup. 0, or negative errno with a sentence. */
int run_start(struct extension *extension, enum run_role role, struct run **ret_run,
              char **ret_problem);
/* Finds the process of an earlier netextd again. -ESRCH: it is gone. */
int run_adopt(struct extension *extension, enum run_role role, uint32_t number, pid_t pid,
              uint64_t started, struct run **ret_run);
/* NULL in, NULL out. Leaves the process alone. */
struct run *run_free(struct run *run);

/* A control channel in place of the present one. Takes fd over. */
int run_attach(struct run *run, int fd);
/* Ends it unless it says hello in time. */
void run_wait_for_hello(struct run *run);
/* A successor: unless its providers run in time. */
void run_wait_for_sessions(struct run *run);
/* One that leaves: when its grace time is over. */
void run_wait_for_flows(struct run *run);
void run_stop_waiting(struct run *run);

/* Its flow channels are closed soon: then nothing keeps it from ending by itself. */
void run_let_end(struct run *run);
/* SIGTERM, then SIGKILL. Repeating is harmless. */
void run_end(struct run *run);
/* Ends it for a fault of its own, or one that we have with it. */
void run_fault(struct run *run, int error, const char *format, ...) _printf_(3, 4);

/* NULL: it did not say hello, or does not read, which is a fault. */
struct wire_writer *run_begin(struct run *run, enum wire_message_type type);
/* fd stays the caller's; -1 for none. 0 or negative errno. */
int run_send(struct run *run, int fd);
/* The same for messages that come in numbers: each is ended, the last one sent. To be slow to read
 * them is no fault yet. NULL: it did not say hello, or ends. fd: as above, of the last. */
struct wire_writer *run_begin_many(struct run *run, enum wire_message_type type);
void run_end_many(struct run *run);
void run_send_many(struct run *run, int fd);
