/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One run of netext-bundle, which reads what strangers made so that netextd does not: with a user
 * id that nobody else has, without capabilities, and with nothing but the descriptors it is given.
 */

#include <systemd/sd-event.h>

#include "bundle/answer.h"
#include "manager/loop/peer.h"
#include "manager/priv/process.h"

struct worker;

/* It has ended. worker->answer is what it said; problem: why that is not complete, or NULL. The
 * worker may be ended and freed here. */
typedef void worker_done_fn(struct worker *worker, const char *problem, void *userdata);

struct worker {
        struct process process;
        struct peer peer;
        sd_event_source *deadline;
        struct bundle_answer answer;
        char *problem;
        char *lost; /* why it is not listened to any more; NULL: it is */
        worker_done_fn *done_fn;
        void *userdata;
};

/* A process of it runs. */
static inline bool worker_is_running(const struct worker *worker)
{
        return process_is_alive(&worker->process);
}

#define WORKER_NULL                                                                                \
        {                                                                                          \
                .process = PROCESS_NULL, .peer = PEER_NULL                                         \
        }

struct worker_job {
        sd_event *event;
        const char *program;
        const char *instance;
        const char *const *argv; /* NULL at the end */
        const int *fds;          /* descriptors 4, 5, …; stay the caller's */
        size_t n_fds;
        /* May be NULL. Makes a folder for a worker of that user id, which gets it as its last
         * descriptor; that stays the caller's. Negative errno is worker_start()'s. */
        int (*make_folder)(uid_t uid, void *userdata);
        worker_done_fn *done_fn;
        void *userdata;
};

/* 0, or negative errno with a sentence, and done_fn is not called. */
int worker_start(struct worker *worker, const struct worker_job *job, char **ret_problem);
/* Kills it, if it runs; done_fn is not called. Fine on WORKER_NULL and twice. */
void worker_end(struct worker *worker);
