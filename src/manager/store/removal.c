/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How extensions go: first what runs of them, then what is on disk, then what is known of them.
 * Nothing stays behind, no approval either.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/priv/staged.h"
#include "manager/store/database.h"
#include "manager/store/life.h"
#include "manager/store/recovery.h"

static void drop_all(struct life *life)
{
        struct copy *copy;

        while ((copy = list_first(&life->leaving, struct copy, link)))
                life_drop(life, copy);
        store_save(life->store);
}

bool life_is_used(const struct life *life, const struct copy *copy)
{
        const struct store *store = life->store;

        return store->runner->uses(life->identifier, copy->bundle.digest, store->userdata);
}

void life_drop_unused(struct life *life)
{
        struct copy *copy, *following;
        bool dropped = false;

        list_for_each_safe (copy, following, &life->leaving, link) {
                if (life_is_used(life, copy))
                        continue;
                log_debug("%s: nothing is made of version %s any more", life->identifier,
                          copy->bundle.manifest.version);
                life_drop(life, copy);
                dropped = true;
        }
        if (dropped)
                store_save(life->store);
}

void life_leave(struct life *life, struct copy *copy, enum copy_state state)
{
        copy->state = state;
        list_append(&life->leaving, &copy->link);
        life_drop_unused(life);
}

/* Of whichever teams its copies were. */
static int forget_keys_of(const char *owner, void *userdata)
{
        const struct life *life = userdata;
        const char *dot = strchr(owner, '.');
        _cleanup_free_ char *path = NULL;

        if (!dot || strcmp(dot + 1, life->identifier) != 0)
                return 0;
        text_set(&path, STORE_VAULT "/%s", owner);
        return path ? staged_remove(life->store->place.store_fd, path) : -ENOMEM;
}

void life_forget(struct life *life)
{
        _cleanup_free_ char *copies = NULL, *data = NULL, *damage = NULL;
        int fd = life->store->place.store_fd, r;

        text_set(&copies, "extensions/%s", life->identifier);
        text_set(&data, "data/%s", life->identifier);
        r = copies ? staged_remove(fd, copies) : -ENOMEM;
        if (r >= 0)
                r = data ? staged_remove(fd, data) : -ENOMEM;
        if (r >= 0)
                r = staged_for_each(fd, STORE_VAULT, forget_keys_of, life);
        damage = recovery_find_damage(life->store);
        if (!damage)
                (void)database_collect_groups(life->store);
        approvals_forget(&life->store->approvals, life->identifier);
        store_save(life->store);
        if (r < 0)
                log_warning("%s: something stays in %s until `netextctl extension gc`: %s",
                            life->identifier, life->store->folder, strerror(-r));
}

/* What came for it meanwhile begins anew. */
static void uninstall(struct life *life)
{
        struct store *store = life->store;
        struct request *request = take_ptr(life->removal);

        if (life->active) {
                life->active->state = COPY_UNINSTALLING;
                store_save(store);
        }
        if (life->active)
                life_drop(life, take_ptr(life->active));
        drop_all(life);
        if (!life_get_copy(life))
                life_forget(life);
        if (request)
                request_finish(&store->requests, request, NULL);
        life_next(life);
}

void life_remove(struct life *life, struct request *request)
{
        struct store *store = life->store;
        int r;

        if (life->removal && life->removal != request)
                request_fail(&store->requests, life->removal, NX_REQUEST_ERROR_SUPERSEDED, NULL);
        life->removal = request;
        life_supersede(life, &life->next, request->number);
        if (life_is_busy(life)) {
                request_set_status(&store->requests, request, REQUEST_WAITING);
                return;
        }
        life_supersede(life, &life->coming, request->number);
        timer_stop(&life->retry);
        check_end(&life->check);
        life_unwatch(life);
        if (life->active)
                life->active->state = COPY_TERMINATING_FOR_UNINSTALL;
        store_save(store);
        request_set_status(&store->requests, request, REQUEST_REMOVING);
        r = life->active ? store->runner->remove(life->identifier, store->userdata) : -ENOENT;
        if (r < 0)
                uninstall(life);
}

void life_gone(struct life *life)
{
        struct copy *active = life->active;

        if (active && active->state == COPY_TERMINATING_FOR_UNINSTALL) {
                uninstall(life);
                return;
        }
        if (active && active->state == COPY_DISABLING) {
                active->state = COPY_DISABLED;
                store_save(life->store);
        }
        if (!active)
                drop_all(life);
        life_next(life);
}
