/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The worker sends messages and ends. It counts when it has ended: then it holds no descriptor
 * any more, and what it said is complete or not. One that says what no worker of ours says is
 * killed, and one that takes too long.
 */

#include <errno.h>
#include <string.h>

#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/priv/spawn.h"
#include "manager/priv/user.h"
#include "manager/store/worker.h"

#define TIMEOUT_MS 60000
#define END_MS     2000 /* once it is not listened to any more */

static void ended(const char *how, bool clean, void *userdata)
{
        struct worker *worker = userdata;

        peer_drain(&worker->peer);
        peer_close(&worker->peer);
        timer_stop(&worker->deadline);
        if (!worker->problem && (!worker->answer.is_done || !clean))
                text_set(&worker->problem, "netext-bundle ended before it had an answer: %s%s%s",
                         how, worker->lost ? "; " : "", worker->lost ?: "");
        worker->done_fn(worker, worker->problem, worker->userdata);
}

static int receive(const struct wire_message *message, int *fd, void *userdata)
{
        struct worker *worker = userdata;

        return bundle_answer_take(&worker->answer, message);
}

static int late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct worker *worker = userdata;

        if (!worker->lost)
                text_set(&worker->problem, "netext-bundle took longer than %d s",
                         TIMEOUT_MS / 1000);
        process_signal(&worker->process, SIGKILL);
        return 0;
}

static int add_folder(struct spawn *how, int *fds, const struct worker_job *job)
{
        int fd;

        if (!job->make_folder)
                return 0;
        fd = job->make_folder(how->uid, job->userdata);
        if (fd < 0)
                return fd;
        fds[how->n_fds++] = fd;
        return 0;
}

/* It ends now: by itself, as it does when it is done, or because nobody listens to it any more. */
static void lost(const char *why, void *userdata)
{
        struct worker *worker = userdata;

        text_set(&worker->lost, "%s", why);
        (void)timer_start(sd_event_source_get_event(worker->deadline), &worker->deadline, END_MS,
                          late, worker);
}

static int spawn(struct worker *worker, const struct worker_job *job, int answers_fd,
                 const char **ret_step)
{
        static const char *const environment[] = { "LANG=C.UTF-8", NULL };
        _cleanup_(spawn_cancel) struct spawned spawned = SPAWNED_NULL;
        _cleanup_fd_ int lock_fd = -1;
        int fds[SPAWN_FDS_MAX] = { answers_fd }, r;
        struct spawn how = {
                .program = job->program,
                .argv = job->argv,
                .environ = environment,
                .cgroup_fd = -1,
                .dies_with_us = true,
                .fds = fds,
                .n_fds = job->n_fds + 1,
        };

        memcpy(fds + 1, job->fds, job->n_fds * sizeof(*fds));
        *ret_step = "get a user id of its own";
        lock_fd = user_lock();
        r = lock_fd < 0 ? lock_fd : user_choose(job->instance, "netext-bundle", NULL, 0, &how.uid);
        if (r < 0)
                return r;
        *ret_step = "get a folder to work in";
        r = add_folder(&how, fds, job);
        if (r >= 0)
                r = spawn_prepare(&how, &spawned, ret_step);
        if (r < 0)
                return r;
        *ret_step = "be watched";
        r = process_open(&worker->process, job->event, spawned.pid, 0, ended, worker);
        if (r < 0)
                return r;
        *ret_step = "be executed";
        return spawn_release(&spawned);
}

int worker_start(struct worker *worker, const struct worker_job *job, char **ret_problem)
{
        _cleanup_fd_ int their_fd = -1;
        const char *step = "be talked to";
        int pair[2], r;

        *worker = (struct worker)WORKER_NULL;
        worker->done_fn = job->done_fn;
        worker->userdata = job->userdata;
        r = channel_pair(pair);
        if (r >= 0) {
                their_fd = pair[1];
                r = peer_open(&worker->peer, job->event, pair[0], receive, lost, worker);
        }
        if (r >= 0)
                r = timer_start(job->event, &worker->deadline, TIMEOUT_MS, late, worker);
        if (r >= 0)
                r = spawn(worker, job, their_fd, &step);
        if (r >= 0)
                return 0;
        worker_end(worker);
        return text_problem(ret_problem, r, "%s does not start: it could not %s: %s", job->program,
                            step, strerror(-r));
}

void worker_end(struct worker *worker)
{
        process_signal(&worker->process, SIGKILL);
        process_close(&worker->process);
        peer_close(&worker->peer);
        timer_stop(&worker->deadline);
        bundle_answer_deinit(&worker->answer);
        free(take_ptr(worker->problem));
        free(take_ptr(worker->lost));
}
