/* SPDX-License-Identifier: Apache-2.0 */

/*
 * It runs as the first of the declared peers that is a user, with that user's groups and none of
 * netextd's privileges. Usually it asks somebody else to start the app (`systemctl --user start`)
 * and ends. An extension that posts events all the time makes it run three times in ten seconds
 * at most.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "manager/endpoint/activation.h"
#include "manager/loop/timer.h"
#include "manager/priv/account.h"
#include "manager/priv/spawn.h"

#define RUNS_MAX    3 /* in RESTARTS_WINDOW_MS */
#define LOOKUPS_MAX 8
#define TIMEOUT_MS  5000

/* The job of finding out as whom it runs. */
struct lookup {
        uid_t uid;
        int result;
        struct account_person person;
};

static void look(void *job)
{
        struct lookup *lookup = job;

        lookup->result = account_find_person(lookup->uid, &lookup->person);
}

static void lookup_free(void *job)
{
        struct lookup *lookup = job;

        account_person_deinit(&lookup->person);
        free(lookup);
}

static struct aside_sort lookups = {
        .work_fn = look,
        .free_fn = lookup_free,
        .max = LOOKUPS_MAX,
        .timeout_ms = TIMEOUT_MS,
};

void activation_init(struct activation *activation, sd_event *event)
{
        *activation = (struct activation){ .event = event, .process = PROCESS_NULL };
}

static void orphan_ended(const char *how, bool clean, void *userdata)
{
        free(userdata);
}

/* A child has to be waited for, also when nobody wants to know how it ended. */
static void leave_behind(struct activation *activation)
{
        struct process *orphan = malloc(sizeof(*orphan));

        if (!orphan)
                return;
        *orphan = (struct process)PROCESS_NULL;
        if (process_open(orphan, activation->event, activation->process.pid,
                         activation->process.started, orphan_ended, orphan) < 0)
                free(orphan);
}

void activation_forget(struct activation *activation)
{
        aside_cancel(take_ptr(activation->looking));
        activation->is_wanted = false;
}

void activation_met(struct activation *activation)
{
        activation->is_wanted = false;
}

void activation_deinit(struct activation *activation)
{
        activation_forget(activation);
        if (process_is_alive(&activation->process))
                leave_behind(activation);
        process_close(&activation->process);
        free(activation->endpoint);
}

/* 0; -ENOENT: no peer is a user that is known; -EPERM: it is root. */
static int find_user(const struct endpoint_declaration *declaration, uid_t *ret)
{
        for (size_t i = 0; i < declaration->n_peers; i++) {
                const struct endpoint_peer *peer = &declaration->peers[i];

                if (peer->kind != MANIFEST_PEER_USER || !peer->is_resolved)
                        continue;
                *ret = peer->id;
                return peer->id == 0 ? -EPERM : 0;
        }
        return -ENOENT;
}

/* What the user's own service manager and bus are found by. */
struct surroundings {
        char home[512], user[256], logname[256], runtime[64], bus[96], endpoint[320];
        const char *environ[8];
};

static void surroundings_of(struct surroundings *ret, const struct account_person *person,
                            const char *endpoint)
{
        snprintf(ret->home, sizeof(ret->home), "HOME=%s", person->home);
        snprintf(ret->user, sizeof(ret->user), "USER=%s", person->name);
        snprintf(ret->logname, sizeof(ret->logname), "LOGNAME=%s", person->name);
        snprintf(ret->runtime, sizeof(ret->runtime), "XDG_RUNTIME_DIR=/run/user/%u", person->uid);
        snprintf(ret->bus, sizeof(ret->bus), "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/%u/bus",
                 person->uid);
        snprintf(ret->endpoint, sizeof(ret->endpoint), "NETEXT_ENDPOINT=%s", endpoint);
        ret->environ[0] = "PATH=/usr/local/bin:/usr/bin:/bin";
        ret->environ[1] = ret->home;
        ret->environ[2] = ret->user;
        ret->environ[3] = ret->logname;
        ret->environ[4] = ret->runtime;
        ret->environ[5] = ret->bus;
        ret->environ[6] = ret->endpoint;
        ret->environ[7] = NULL;
}

static void run(struct activation *activation);

/* It may have been the app itself, and not have taken the latest events. */
static void ended(const char *how, bool clean, void *userdata)
{
        struct activation *activation = userdata;

        if (!clean)
                log_warning("endpoint %s: its activation command %s", activation->endpoint, how);
        if (activation->is_wanted)
                run(activation);
}

static int start(struct activation *activation, const struct endpoint_declaration *declaration,
                 const struct account_person *person, const char **ret_step)
{
        _cleanup_(spawn_cancel) struct spawned spawned = SPAWNED_NULL;
        const struct spawn_groups groups = {
                .gid = person->gid,
                .others = person->groups,
                .n_others = (size_t)person->n_groups,
        };
        struct surroundings surroundings;
        const struct spawn spawn = {
                .program = declaration->activation[0],
                .argv = (const char *const *)declaration->activation,
                .environ = surroundings.environ,
                .uid = person->uid,
                .groups = &groups,
                .cgroup_fd = -1,
        };
        int r;

        surroundings_of(&surroundings, person, activation->endpoint);
        r = spawn_prepare(&spawn, &spawned, ret_step);
        if (r < 0)
                return r;
        *ret_step = "be watched";
        r = process_open(&activation->process, activation->event, spawned.pid, 0, ended,
                         activation);
        if (r < 0)
                return r;
        *ret_step = "be executed";
        r = spawn_release(&spawned);
        if (r < 0)
                process_close(&activation->process);
        return r;
}

static void complain(const struct activation *activation, const char *step, int error)
{
        log_warning("endpoint %s: its activation command %s could not %s: %s",
                    activation->endpoint ?: "?", activation->declaration->activation[0], step,
                    strerror(-error));
}

#define STEP_FIND "find the user among the peers that it runs as (which may not be root)"

static void found(void *job, void *userdata)
{
        struct activation *activation = userdata;
        const struct lookup *lookup = job;
        const char *step = STEP_FIND;
        int r = lookup ? lookup->result : -ETIMEDOUT;

        activation->looking = NULL;
        if (r >= 0)
                r = start(activation, activation->declaration, &lookup->person, &step);
        if (r < 0) {
                complain(activation, step, r);
                return;
        }
        activation->n_runs++;
        log_info("endpoint %s: no app is there for its events: %s was run", activation->endpoint,
                 activation->declaration->activation[0]);
}

static int find_person(struct activation *activation)
{
        _cleanup_free_ struct lookup *lookup = calloc(1, sizeof(*lookup));
        int r;

        if (!lookup)
                return -ENOMEM;
        r = find_user(activation->declaration, &lookup->uid);
        if (r >= 0)
                r = aside_start(&lookups, activation->event, lookup, found, activation,
                                &activation->looking);
        if (r >= 0)
                (void)take_ptr(lookup);
        return r;
}

static void run(struct activation *activation)
{
        uint64_t now_ms = clock_now_ms();
        int r;

        activation->is_wanted = false;
        if (restarts_recent(&activation->runs, now_ms) >= RUNS_MAX)
                return;
        restarts_add(&activation->runs, now_ms);
        r = activation->endpoint ? find_person(activation) : -ENOMEM;
        if (r < 0)
                complain(activation, STEP_FIND, r);
}

void activation_run(struct activation *activation, const struct endpoint_declaration *declaration,
                    const char *endpoint)
{
        if (!declaration->activation || activation->looking)
                return;
        if (process_is_alive(&activation->process)) {
                activation->is_wanted = true;
                return;
        }
        activation->declaration = declaration;
        free(activation->endpoint);
        activation->endpoint = strdup(endpoint);
        run(activation);
}
