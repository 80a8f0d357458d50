/* SPDX-License-Identifier: Apache-2.0 */

/*
 * It runs as the first of the declared peers that is a user, with that user's groups and none of
 * netextd's privileges. Usually it asks somebody else to start the app (`systemctl --user start`)
 * and ends. An extension that posts events all the time makes it run three times in ten seconds
 * at most.
 */

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "manager/endpoint/activation.h"
#include "manager/loop/timer.h"
#include "manager/priv/spawn.h"

#define RUNS_MAX   3 /* in RESTARTS_WINDOW_MS */
#define GROUPS_MAX 256

struct person {
        struct passwd entry;
        char room[4096];
        gid_t groups[GROUPS_MAX];
        int n_groups;
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

void activation_deinit(struct activation *activation)
{
        if (process_is_alive(&activation->process))
                leave_behind(activation);
        process_close(&activation->process);
        free(activation->endpoint);
}

/* 0; -ENOENT: no peer is a user; -EPERM: it is root; or what asking for it fails with. */
static int find_person(const struct endpoint_declaration *declaration, struct person *person)
{
        const struct endpoint_peer *peer = NULL;
        struct passwd *found = NULL;
        int r;

        for (size_t i = 0; !peer && i < declaration->n_peers; i++)
                if (declaration->peers[i].kind == MANIFEST_PEER_USER &&
                    declaration->peers[i].is_resolved)
                        peer = &declaration->peers[i];
        if (!peer)
                return -ENOENT;
        if (peer->id == 0)
                return -EPERM;
        r = -getpwuid_r(peer->id, &person->entry, person->room, sizeof(person->room), &found);
        if (r < 0 || !found)
                return r < 0 ? r : -ENOENT;
        person->n_groups = GROUPS_MAX;
        if (getgrouplist(found->pw_name, found->pw_gid, person->groups, &person->n_groups) < 0)
                return -E2BIG;
        return 0;
}

static void ended(const char *how, bool clean, void *userdata)
{
        struct activation *activation = userdata;

        if (!clean)
                log_warning("endpoint %s: its activation command %s", activation->endpoint, how);
}

/* What the user's own service manager and bus are found by. */
struct surroundings {
        char home[512], user[256], logname[256], runtime[64], bus[96], endpoint[320];
        const char *environ[8];
};

static void surroundings_of(struct surroundings *ret, const struct person *person,
                            const char *endpoint)
{
        const struct passwd *entry = &person->entry;

        snprintf(ret->home, sizeof(ret->home), "HOME=%s", entry->pw_dir);
        snprintf(ret->user, sizeof(ret->user), "USER=%s", entry->pw_name);
        snprintf(ret->logname, sizeof(ret->logname), "LOGNAME=%s", entry->pw_name);
        snprintf(ret->runtime, sizeof(ret->runtime), "XDG_RUNTIME_DIR=/run/user/%u", entry->pw_uid);
        snprintf(ret->bus, sizeof(ret->bus), "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/%u/bus",
                 entry->pw_uid);
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

static int start(struct activation *activation, const struct endpoint_declaration *declaration,
                 const struct person *person, const char **ret_step)
{
        _cleanup_(spawn_cancel) struct spawned spawned = SPAWNED_NULL;
        const struct spawn_groups groups = {
                .gid = person->entry.pw_gid,
                .others = person->groups,
                .n_others = (size_t)person->n_groups,
        };
        struct surroundings surroundings;
        const struct spawn spawn = {
                .program = declaration->activation[0],
                .argv = (const char *const *)declaration->activation,
                .environ = surroundings.environ,
                .uid = person->entry.pw_uid,
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

void activation_run(struct activation *activation, const struct endpoint_declaration *declaration,
                    const char *endpoint)
{
        const char *step = "find the user among the peers that it runs as (which may not be root)";
        uint64_t now_ms = clock_now_ms();
        struct person person;
        int r;

        if (!declaration->activation || process_is_alive(&activation->process) ||
            restarts_recent(&activation->runs, now_ms) >= RUNS_MAX)
                return;
        restarts_add(&activation->runs, now_ms);
        free(activation->endpoint);
        activation->endpoint = strdup(endpoint);
        r = activation->endpoint ? find_person(declaration, &person) : -ENOMEM;
        if (r >= 0)
                r = start(activation, declaration, &person, &step);
        if (r < 0) {
                log_warning("endpoint %s: its activation command %s could not %s: %s", endpoint,
                            declaration->activation[0], step, strerror(-r));
                return;
        }
        activation->n_runs++;
        log_info("endpoint %s: no app is there for its events: %s was run", endpoint,
                 declaration->activation[0]);
}
