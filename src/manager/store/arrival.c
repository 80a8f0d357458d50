/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whether a bundle that was verified becomes the active one:
 *
 *      arrives → (replace? → needs-reply) → (approved? → needs-approval) → enabling
 *
 * What is not yet being enabled gives way to a newer request; what is, is waited for.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/priv/staged.h"
#include "manager/store/life.h"
#include "bundle/version.h"

#define REPLY_TIMEOUT_MS 60000 /* for who was asked whether to replace */

void life_supersede(struct life *life, struct copy **copy, uint64_t by)
{
        _cleanup_free_ char *message = NULL;

        if (!*copy)
                return;
        text_set(&message, "request %llu for %s came after it", (unsigned long long)by,
                 life->identifier);
        life_fail(life, *copy, NX_REQUEST_ERROR_SUPERSEDED, message);
        timer_stop(&life->reply);
        life_drop(life, take_ptr(*copy));
}

static int move_in(struct life *life, const struct copy *copy, const char *from)
{
        _cleanup_free_ char *folder = copy_get_folder(copy);
        int r;

        if (!folder)
                return -ENOMEM;
        /* What lies there belongs to nothing, or is damaged. */
        r = staged_remove(life->store->place.store_fd, folder);
        return r < 0 ? r : staged_move(life->store->place.store_fd, from, folder);
}

static bool is_active(const struct life *life, const struct copy *copy)
{
        return life->active && strcmp(life->active->bundle.digest, copy->bundle.digest) == 0;
}

/* Where another copy has the same content, its folder is shared, and looked at before it is run. */
static int place(struct life *life, struct copy *copy, const char *from)
{
        if (is_active(life, copy) && life->active->problem && !life_is_busy(life))
                return move_in(life, copy, from);
        if (!life_shares(life, copy))
                return move_in(life, copy, from);
        copy->fresh = false;
        return 0;
}

static void fail_to_place(struct life *life, struct copy *copy, enum nx_request_error code,
                          const char *message)
{
        life_fail(life, copy, code, message);
        copy_free(copy);
}

/* The same content again: nothing is to be done, unless what is there was damaged or is off. */
static void admit_again(struct life *life, struct copy *copy)
{
        struct copy *active = life->active;
        struct request *request = life_request_of(life, copy);
        char *message = NULL;

        active->switched_off = false;
        if (copy->bundle.manifest.executable)
                copy_set_bundle(active, &copy->bundle);
        copy_free(copy);
        life_reconcile(life);
        if (active->state == COPY_ENABLED || active->state == COPY_ENABLING)
                text_set(&message, "it is active already");
        else
                text_set(&message, "it is installed already, and %s",
                         copy_state_to_string(active->state));
        if (request)
                request_finish(&life->store->requests, request, message);
        else
                free(message);
}

void life_admit(struct life *life, struct copy *copy)
{
        if (is_active(life, copy)) {
                admit_again(life, copy);
                return;
        }
        life->coming = copy;
        life->replaces = false;
        life_judge(life);
}

void life_arrive(struct life *life, struct copy *copy, struct staging *staging)
{
        uint64_t number = copy->request;
        int r;

        if (number < life->newest) {
                fail_to_place(life, copy, NX_REQUEST_ERROR_SUPERSEDED,
                              "a later request for the same identifier overtook it");
                return;
        }
        life->newest = number;
        life_supersede(life, &life->next, number);
        if (!life_is_busy(life))
                life_supersede(life, &life->coming, number);
        r = place(life, copy, staging->folder);
        if (r < 0) {
                fail_to_place(life, copy, NX_REQUEST_ERROR_UNKNOWN, strerror(-r));
                return;
        }
        copy->state = COPY_WAITING_TO_UPGRADE;
        if (!life_is_busy(life)) {
                life_admit(life, copy);
                return;
        }
        life->next = copy;
        store_save(life->store);
        life_set_status(life, copy, REQUEST_WAITING);
}

static void refuse_coming(struct life *life, enum nx_request_error code, const char *message)
{
        struct copy *copy = take_ptr(life->coming);

        timer_stop(&life->reply);
        life_fail(life, copy, code, message);
        life_drop(life, copy);
        store_save(life->store);
        life_next(life);
}

static int late(sd_event_source *source, uint64_t usec, void *userdata)
{
        refuse_coming(userdata, NX_REQUEST_ERROR_CANCELED,
                      "nobody said replace or cancel within a minute");
        return 0;
}

static void ask_to_replace(struct life *life, struct request *request)
{
        struct store *store = life->store;

        life->coming->fresh = false;
        store_save(store);
        if (timer_start(store->place.event, &life->reply, REPLY_TIMEOUT_MS, late, life) < 0)
                log_error("%s: cannot set a timer", life->identifier);
        request_set_status(&store->requests, request, REQUEST_NEEDS_REPLY);
        if (life->coming && !store->listener->has_audience(request->number, store->userdata))
                store_audience_left(store, request->number);
}

static void cancel_replacement(struct life *life, const struct request *request)
{
        _cleanup_free_ char *message = NULL;

        text_set(&message,
                 request->content_changed
                         ? "%s is active in the same version (%s) with another content; say that "
                           "this one is to replace it"
                         : "%s is active in version %s; say that this one is to replace it",
                 life->identifier, request->replaced);
        refuse_coming(life, NX_REQUEST_ERROR_CANCELED, message);
}

/* True where it may go on; else it waits for an answer, or has been refused. */
static bool may_replace(struct life *life, struct request *request)
{
        const struct manifest *active = &life->active->bundle.manifest;
        const struct manifest *coming = &life->coming->bundle.manifest;
        int compared = version_compare(coming->version, active->version)
                               ?: version_compare(coming->short_version, active->short_version);

        if (life->replaces || !request)
                return true;
        text_set(&request->replaced, "%s (%s)", active->short_version, active->version);
        request->content_changed = compared == 0;
        if (life->store->developer || request->replace == REPLACE_YES ||
            (request->replace == REPLACE_NEWER && compared > 0))
                return life->replaces = true;
        if (request->replace == REPLACE_ASK)
                ask_to_replace(life, request);
        else
                cancel_replacement(life, request);
        return false;
}

static bool is_of_other_team(const struct life *life)
{
        return life->active &&
               strcmp(life->active->bundle.manifest.team, life->coming->bundle.manifest.team) != 0;
}

static bool is_of_other_scope(const struct life *life)
{
        return life->active &&
               life->active->bundle.manifest.scope != life->coming->bundle.manifest.scope;
}

enum policy_answer life_ask_policy(const struct life *life, const struct copy *copy, char **ret_why)
{
        const struct policy_subject subject = copy_to_subject(copy);

        return policy_judge(life->store->policy, &subject, ret_why);
}

static void wait_for_approval(struct life *life)
{
        life->coming->state = COPY_WAITING_FOR_USER;
        life->coming->fresh = false;
        store_save(life->store);
        life_set_status(life, life->coming, REQUEST_NEEDS_APPROVAL);
}

void life_judge(struct life *life)
{
        struct copy *copy = life->coming;
        _cleanup_free_ char *why = NULL;
        enum policy_answer answer = life_ask_policy(life, copy, &why);

        if (is_of_other_team(life)) {
                text_set(&why,
                         "an extension of this identifier is active, of team %s; it has to be "
                         "deactivated first",
                         life->active->bundle.manifest.team);
                refuse_coming(life, NX_REQUEST_ERROR_DUPLICATE_IDENTIFIER, why);
                return;
        }
        if (is_of_other_scope(life)) {
                text_set(&why,
                         "manifest.json: scope: is '%s', and that of the active version is '%s'; "
                         "it has to be deactivated first",
                         manifest_scope_name(copy->bundle.manifest.scope),
                         manifest_scope_name(life->active->bundle.manifest.scope));
                refuse_coming(life, NX_REQUEST_ERROR_VALIDATION_FAILED, why);
                return;
        }
        if (answer == POLICY_FORBIDDEN) {
                refuse_coming(life, NX_REQUEST_ERROR_FORBIDDEN_BY_POLICY, why);
                return;
        }
        if (life->active && !may_replace(life, life_request_of(life, copy)))
                return;
        if (answer == POLICY_ASK && !approval_find(&life->store->approvals, copy)) {
                wait_for_approval(life);
                return;
        }
        life_enable(life, copy);
}

void life_reply(struct life *life, bool replace)
{
        timer_stop(&life->reply);
        if (!replace) {
                refuse_coming(life, NX_REQUEST_ERROR_CANCELED,
                              "the answer was not to replace what is active");
                return;
        }
        life->replaces = true;
        life_judge(life);
}

void life_abandon(struct life *life)
{
        refuse_coming(life, NX_REQUEST_ERROR_CANCELED,
                      "who could have said replace or cancel was not there any more");
}

void life_refuse(struct life *life, const struct actor *by)
{
        _cleanup_free_ char *who = actor_describe(by), *message = NULL;

        text_set(&message, "an administrator refused it: %s", who ?: "nobody knows who");
        refuse_coming(life, NX_REQUEST_ERROR_CANCELED, message);
}
