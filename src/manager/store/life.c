/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The life of one identifier. At most one copy of it is active, and at most one is coming.
 * arrival.c lets copies in, enabling.c has them run, vouching.c looks whether they are what was
 * staged, removal.c takes them away; here is what they share, and the one question that is asked
 * anew whenever policy, approvals or developer mode change: what is the active copy to do? The
 * answer does not depend on what came first.
 *
 * Each step is written down before the next is taken, and each can be taken again after netextd
 * was killed in between.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/priv/staged.h"
#include "manager/store/life.h"

struct life *life_new(struct store *store, const char *identifier)
{
        struct life *life = calloc(1, sizeof(*life));

        if (!life)
                return NULL;
        *life = (struct life){
                .store = store,
                .identifier = strdup(identifier),
                .check = CHECK_NULL,
                .vouch = CHECK_NULL,
        };
        list_init(&life->leaving);
        list_append(&store->lives, &life->link);
        return life->identifier ? life : life_free(life);
}

struct life *life_free(struct life *life)
{
        struct copy *copy;

        if (!life)
                return NULL;
        list_remove(&life->link);
        check_end(&life->check);
        life_unwatch(life);
        timer_stop(&life->retry);
        timer_stop(&life->reply);
        while ((copy = list_first(&life->leaving, struct copy, link)))
                copy_free(copy);
        copy_free(life->active);
        copy_free(life->coming);
        copy_free(life->next);
        free(life->identifier);
        free(life);
        return NULL;
}

struct request *life_request_of(const struct life *life, const struct copy *copy)
{
        return request_log_find(&life->store->requests, copy->request);
}

void life_set_status(struct life *life, const struct copy *copy, enum request_status status)
{
        struct request *request = life_request_of(life, copy);

        if (request)
                request_set_status(&life->store->requests, request, status);
}

void life_fail(struct life *life, const struct copy *copy, enum nx_request_error code,
               const char *message)
{
        struct request *request = life_request_of(life, copy);

        if (request)
                request_fail(&life->store->requests, request, code,
                             message ? strdup(message) : NULL);
}

static bool is_other_of(const struct copy *other, const struct copy *copy)
{
        return other && other != copy && strcmp(other->bundle.digest, copy->bundle.digest) == 0;
}

bool life_shares(const struct life *life, const struct copy *copy)
{
        const struct copy *leaving;

        list_for_each (leaving, &life->leaving, link)
                if (is_other_of(leaving, copy))
                        return true;
        return is_other_of(life->active, copy) || is_other_of(life->coming, copy) ||
               is_other_of(life->next, copy);
}

void life_drop(struct life *life, struct copy *copy)
{
        _cleanup_free_ char *folder = copy_get_folder(copy);
        int r = 0;

        if (!life_shares(life, copy))
                r = folder ? staged_remove(life->store->place.store_fd, folder) : -ENOMEM;
        if (r < 0)
                log_warning("%s stays in the state directory until `netextctl extension gc`: %s",
                            folder, strerror(-r));
        if (life->check.copy == copy)
                check_end(&life->check);
        if (life->vouch.copy == copy)
                check_end(&life->vouch);
        copy_free(copy);
}

static bool has_digest(const struct copy *copy, const char *digest)
{
        return copy && strcmp(copy->bundle.digest, digest) == 0;
}

bool life_has(const struct store *store, const char *identifier, const char *digest)
{
        const struct life *life = store_find(store, identifier);
        const struct copy *leaving;

        if (!life)
                return false;
        list_for_each (leaving, &life->leaving, link)
                if (has_digest(leaving, digest))
                        return true;
        return has_digest(life->active, digest) || has_digest(life->coming, digest) ||
               has_digest(life->next, digest);
}

static bool names_group(const struct copy *copy, const char *team, const char *group)
{
        const struct manifest *manifest = copy ? &copy->bundle.manifest : NULL;

        if (!manifest || strcmp(manifest->team, team) != 0)
                return false;
        for (size_t i = 0; i < manifest->n_groups; i++)
                if (!group || strcmp(manifest->groups[i], group) == 0)
                        return true;
        return false;
}

bool life_names_group(const struct store *store, const char *team, const char *group)
{
        const struct copy *leaving;
        const struct life *life;

        list_for_each (life, &store->lives, link) {
                list_for_each (leaving, &life->leaving, link)
                        if (names_group(leaving, team, group))
                                return true;
                if (names_group(life->active, team, group) ||
                    names_group(life->coming, team, group) || names_group(life->next, team, group))
                        return true;
        }
        return false;
}

struct copy *life_get_waiting(const struct life *life)
{
        if (life->coming && life->coming->state == COPY_WAITING_FOR_USER)
                return life->coming;
        return life->active && life->active->state == COPY_WAITING_FOR_USER ? life->active : NULL;
}

struct copy *life_get_copy(const struct life *life)
{
        return life->coming ?: life->active ?: life->next ?:
               list_first(&life->leaving, struct copy, link);
}

/* Something is under way that has to end first. */
bool life_is_busy(const struct life *life)
{
        if (life->coming && life->coming->state == COPY_ENABLING)
                return true;
        if (!life->active)
                return false;
        switch (life->active->state) {
        case COPY_ENABLING:
        case COPY_DISABLING:
        case COPY_TERMINATING_FOR_UNINSTALL:
        case COPY_UNINSTALLING:
                return true;
        default:
                return false;
        }
}

void life_next(struct life *life)
{
        if (life_is_busy(life))
                return;
        if (life->removal) {
                life_remove(life, take_ptr(life->removal));
                return;
        }
        if (life->next && !life->coming) {
                life_admit(life, take_ptr(life->next));
                return;
        }
        if (life_get_copy(life))
                life_reconcile(life);
        else
                life_forget(life);
}

/* --- what the active copy is to do -------------------------------------------------------- */

bool life_note_grant(const struct life *life, struct copy *copy)
{
        const struct store *store = life->store;
        const struct policy_subject subject = copy_to_subject(copy);
        struct policy_place place;

        if (policy_find_allowance(store->policy, &subject, &place))
                return grant_set(&copy->grant, &place);
        if (approval_find(&store->approvals, copy))
                return grant_set(&copy->grant, NULL);
        return grant_clear(&copy->grant);
}

enum wish {
        WISH_RUN,
        WISH_WAIT, /* for approval */
        WISH_REST,
};

static enum wish wish_for(const struct life *life, const struct copy *copy, char **ret_why)
{
        enum policy_answer answer = life_ask_policy(life, copy, ret_why);

        if (answer == POLICY_FORBIDDEN)
                return WISH_REST;
        if (copy->switched_off) {
                text_set(ret_why, "an administrator disabled it");
                return WISH_REST;
        }
        if (copy->developer && !life->store->developer) {
                text_set(ret_why,
                         "no trusted root vouches for its signer, and developer mode is off");
                return WISH_REST;
        }
        if (answer == POLICY_ALLOWED || approval_find(&life->store->approvals, copy))
                return WISH_RUN;
        if (copy->recovered) {
                text_set(ret_why,
                         "whether it was approved was in a file that could not be read (%s now): "
                         "approve it again",
                         copy->recovered);
                return WISH_WAIT;
        }
        text_set(ret_why, "%s",
                 approval_explain(&life->store->approvals, copy)
                         ?: "no policy allows it any more, and nobody approved it");
        return WISH_WAIT;
}

static void rest(struct life *life, enum copy_state state, const char *why)
{
        struct copy *active = life->active;
        bool runs = active->state == COPY_ENABLED || active->state == COPY_ENABLING;

        copy_set_problem(active, why);
        if (life_note_grant(life, active))
                store_save(life->store);
        if (active->state == state)
                return;
        timer_stop(&life->retry);
        life_unwatch(life);
        active->state = state;
        log_info("%s is %s: %s", life->identifier, copy_state_to_string(state), why);
        if (runs && life->store->runner->remove(life->identifier, life->store->userdata) >= 0)
                active->state = COPY_DISABLING;
        store_save(life->store);
}

static void reconcile_active(struct life *life)
{
        struct copy *active = life->active;
        _cleanup_free_ char *why = NULL;

        switch (wish_for(life, active, &why)) {
        case WISH_RUN:
                if (active->state != COPY_ENABLED)
                        life_enable(life, active);
                else if (life_note_grant(life, active))
                        store_save(life->store);
                return;
        case WISH_WAIT:
                rest(life, COPY_WAITING_FOR_USER, why);
                return;
        case WISH_REST:
                rest(life, COPY_DISABLED, why);
                return;
        }
}

void life_reconcile(struct life *life)
{
        if (life_is_busy(life))
                return; /* life_next() comes back to it */
        if (life->coming && life->coming->state == COPY_WAITING_FOR_USER)
                life_judge(life);
        if (life->active && !life_is_busy(life))
                reconcile_active(life);
}

/* --- after a restart ------------------------------------------------------------------------ */

/* Whether it was active, or the coming one, is told by whether its request has an outcome. */
static bool was_coming(const struct life *life, const struct copy *copy)
{
        const struct request *request = life_request_of(life, copy);

        return request && !request_is_ended(request);
}

void life_take_up(struct life *life, struct copy *copy)
{
        switch (copy->state) {
        case COPY_TERMINATING_FOR_UPGRADE:
                if (life_is_used(life, copy))
                        list_append(&life->leaving, &copy->link);
                else
                        life_drop(life, copy);
                return;
        case COPY_VALIDATING:
        case COPY_WAITING_TO_UPGRADE:
                life_drop(life, copy);
                return;
        case COPY_UNINSTALLING:
        case COPY_TERMINATING_FOR_UNINSTALL:
                copy->state = COPY_TERMINATING_FOR_UNINSTALL;
                break;
        default:
                break;
        }
        if (copy->state != COPY_ENABLED && was_coming(life, copy) && !life->coming)
                life->coming = copy;
        else if (!life->active)
                life->active = copy;
        else
                life_drop(life, copy);
}

/* Nothing was started yet; what an earlier netextd started may run. */
static void resume_active(struct life *life, struct copy *active)
{
        _cleanup_free_ char *why = NULL;

        if (active->state == COPY_DISABLED || active->state == COPY_WAITING_FOR_USER)
                return;
        if (was_coming(life, active) && active->state == COPY_ENABLED)
                request_finish(&life->store->requests, life_request_of(life, active), NULL);
        active->state = wish_for(life, active, &why) == WISH_RUN ? COPY_DISABLED : COPY_ENABLED;
}

void life_resume(struct life *life)
{
        if (life->active && life->active->state == COPY_TERMINATING_FOR_UNINSTALL) {
                life_gone(life);
                return;
        }
        if (life->active)
                resume_active(life, life->active);
        if (life->coming && life->coming->state == COPY_ENABLING)
                life_enable(life, life->coming);
        else
                life_reconcile(life);
}
