/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Is the active copy still what was staged? Asked before a process is made anew, and whenever
 * something in its folders changes: so damage is known while the process that was made of it goes
 * on, and a repair when it is done.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "bundle/bundle.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/store/life.h"

#define SETTLE_MS 200 /* changes come in bursts */

static void look_soon(struct life *life);

static void note(const struct life *life, struct copy *copy, const char *problem)
{
        if (problem && (!copy->problem || strcmp(copy->problem, problem) != 0))
                log_error("%s is not what was staged any more: %s", life->identifier, problem);
        else if (!problem && copy->damaged)
                log_info("%s is what was staged again", life->identifier);
        copy->damaged = problem != NULL;
        copy_set_problem(copy, problem);
        store_changed(life->store);
}

static void vouched(struct check *check, const char *problem, void *userdata)
{
        struct life *life = userdata;

        note(life, life->active, problem);
        life->store->runner->vouched(life->identifier, problem, life->store->userdata);
        if (life->has_changed)
                look_soon(life);
}

static bool can_be_looked_at(const struct life *life)
{
        return life->active && life->active->state == COPY_ENABLED && !life->store->ending;
}

static int look(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct life *life = userdata;

        timer_stop(&life->settle);
        if (life->vouch.copy || !can_be_looked_at(life))
                return 0; /* what has changed is not forgotten */
        life->has_changed = false;
        life_watch(life);
        life_vouch(life);
        return 0;
}

/* What goes on all the time does not put it off. */
static void look_soon(struct life *life)
{
        if (!life->settle &&
            timer_start(life->store->place.event, &life->settle, SETTLE_MS, look, life) < 0)
                log_error("%s: cannot set a timer; whether its copy is damaged is seen when it is "
                          "started",
                          life->identifier);
}

static int on_change(const struct inotify_event *event, void *userdata)
{
        struct life *life = userdata;

        life->has_changed = true;
        look_soon(life);
        return 0;
}

void life_watch(struct life *life)
{
        const struct store *store = life->store;
        _cleanup_free_ char *folder = copy_get_folder(life->active), *path = NULL;
        int r = -ENOMEM;

        text_set(&path, "%s/%s", store->folder, folder);
        if (folder && path)
                r = tree_watch_start(&life->folders, store->place.event, path, BUNDLE_DEPTH_MAX,
                                     on_change, life);
        if (r < 0)
                log_error("%s: not all of its copy is watched: %s", life->identifier, strerror(-r));
}

void life_unwatch(struct life *life)
{
        timer_stop(&life->settle);
        tree_watch_stop(&life->folders);
        check_end(&life->vouch);
}

void life_vouch(struct life *life)
{
        life->has_changed = false;
        check_start(&life->vouch, &life->store->place, life->active, life->store->developer,
                    vouched, life);
}
