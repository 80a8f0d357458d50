/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From a copy that may run to one that runs. It is looked at right before, unless it was staged a
 * moment ago: root can change what is on disk, and shall be told which file it was. What is damaged
 * is looked at again and again, so that who repairs it need do no more.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/store/life.h"

#define RETRY_MIN_MS 500 /* doubled up to eight times that */

static int look_again(sd_event_source *source, uint64_t usec, void *userdata);

static void retry(struct life *life)
{
        uint64_t delay_ms = RETRY_MIN_MS << (life->n_retries < 3 ? life->n_retries++ : 3);

        if (timer_start(life->store->place.event, &life->retry, delay_ms, look_again, life) < 0)
                log_error("%s: cannot set a timer; activate it again", life->identifier);
}

/* What is active is tried again: who repairs it need do no more. */
static void cannot_run(struct life *life, struct copy *copy, const char *problem)
{
        if (!copy->problem || strcmp(copy->problem, problem) != 0)
                log_error("%s does not run: %s", life->identifier, problem);
        copy_set_problem(copy, problem);
        if (copy == life->coming) {
                life_settled(life, -EBADMSG, problem);
                return;
        }
        copy->state = COPY_ENABLED;
        retry(life);
}

static void put(struct life *life, struct copy *copy)
{
        _cleanup_free_ char *folder = copy_get_folder(copy), *path = NULL, *problem = NULL;
        int r = -EALREADY; /* nothing runs of the other categories */

        if (life->store->ending)
                return;
        if (copy->bundle.manifest.category == MANIFEST_CATEGORY_NETWORK) {
                text_set(&path, "%s/%s", life->store->folder, folder);
                r = path ? life->store->runner->put(copy, path, &problem, life->store->userdata)
                         : -ENOMEM;
        }
        if (r == -EALREADY)
                life_settled(life, 0, NULL);
        else if (r < 0)
                cannot_run(life, copy, problem ?: strerror(-r));
}

static void checked(struct check *check, const char *problem, void *userdata)
{
        struct life *life = userdata;
        struct copy *copy = life->enabled;

        copy->damaged = problem != NULL;
        store_changed(life->store);
        if (problem) {
                cannot_run(life, copy, problem);
                return;
        }
        life->n_retries = 0;
        copy_set_problem(copy, NULL);
        put(life, copy);
}

static void look(struct life *life, struct copy *copy)
{
        life->enabled = copy;
        check_start(&life->check, &life->store->place, copy, life->store->developer, checked, life);
}

static int look_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct life *life = userdata;

        timer_stop(&life->retry);
        if (!life->active || life->active->state != COPY_ENABLED)
                return 0;
        if (!life->coming)
                look(life, life->active);
        else
                retry(life);
        return 0;
}

void life_enable(struct life *life, struct copy *copy)
{
        bool fresh = copy->fresh;

        timer_stop(&life->retry);
        copy->fresh = false;
        copy->state = COPY_ENABLING;
        (void)life_note_grant(life, copy);
        store_save(life->store);
        life_set_status(life, copy, REQUEST_ENABLING);
        if (fresh)
                put(life, copy);
        else
                look(life, copy);
}

/* The active copy does what its state says, so it was approved again, if it had to be. */
static void is_enabled(struct life *life)
{
        struct copy *copy = life->active;

        copy->state = COPY_ENABLED;
        copy_set_problem(copy, NULL);
        free(take_ptr(copy->recovered));
        life_watch(life);
}

static void coming_is_enabled(struct life *life)
{
        struct copy *copy = take_ptr(life->coming), *former = take_ptr(life->active);
        struct request *request = life_request_of(life, copy);

        life_unwatch(life); /* the former one */
        life->active = copy;
        is_enabled(life);
        if (former)
                life_leave(life, former, COPY_TERMINATING_FOR_UPGRADE);
        store_save(life->store);
        if (request)
                request_finish(&life->store->requests, request, NULL);
}

/* What was active before still is. */
static void coming_has_failed(struct life *life, const char *message)
{
        struct copy *copy = take_ptr(life->coming);

        if (life->active) {
                text_set(&life->active->last_failure, "version %s (%s) did not take over: %s",
                         copy->bundle.manifest.short_version, copy->bundle.manifest.version,
                         message ?: "for a reason that is not known");
                life_leave(life, copy, COPY_TERMINATING_FOR_UPGRADE);
                /* It may have been replaced by one that is not there any more, or in some sessions
                 * by the one that failed in others. */
                if (life->active->state == COPY_ENABLED)
                        life_enable(life, life->active);
        } else if (life->store->runner->remove(life->identifier, life->store->userdata) >= 0) {
                life_leave(life, copy, COPY_UNINSTALLING);
        } else {
                life_drop(life, copy);
        }
        store_save(life->store);
}

void life_settled(struct life *life, int result, const char *message)
{
        if (life->coming && life->coming->state == COPY_ENABLING) {
                uint64_t number = life->coming->request;
                struct request *request = request_log_find(&life->store->requests, number);

                if (result >= 0)
                        coming_is_enabled(life);
                else
                        coming_has_failed(life, message);
                if (result < 0 && request)
                        request_fail(&life->store->requests, request, NX_REQUEST_ERROR_UNKNOWN,
                                     strdup(message ?: strerror(-result)));
                life_next(life);
                return;
        }
        if (!life->active || life->active->state != COPY_ENABLING)
                return;
        is_enabled(life);
        copy_set_problem(life->active, result < 0 ? message ?: strerror(-result) : NULL);
        store_save(life->store);
        life_next(life);
}
