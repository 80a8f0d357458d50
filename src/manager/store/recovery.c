/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A folder's name is the digest of what was staged in it, so a copy whose content has that digest
 * and a good signature is what it was. Of two for one identifier, the one with the higher version
 * is taken. What is not in order stays on disk until `netextctl extension gc`, and `why` says what
 * is wrong with it.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/priv/staged.h"
#include "manager/store/database.h"
#include "manager/store/life.h"
#include "manager/store/recovery.h"
#include "bundle/version.h"

struct recovery {
        struct list link; /* store.recoveries */
        struct store *store;
        char *identifier, *digest;
        struct worker worker;
        int folder_fd;
        struct copy *copy; /* that was found to be in order */
        bool is_done;
};

/* --- what was put aside ------------------------------------------------------------------- */

static int keep_newest(const char *name, void *userdata)
{
        char **newest = userdata;

        if (staged_was_put_aside(name) &&
            strncmp(name, DATABASE_NAME ".", strlen(DATABASE_NAME ".")) == 0 &&
            (!*newest || strcmp(name, *newest) > 0))
                text_set(newest, "%s", name);
        return 0;
}

char *recovery_find_damage(const struct store *store)
{
        char *newest = NULL;

        if (store->place.store_fd >= 0)
                (void)staged_for_each(store->place.store_fd, ".", keep_newest, &newest);
        return newest;
}

static int list_name(const char *name, void *userdata)
{
        char **names = userdata;
        _cleanup_free_ char *before = NULL;

        if (!staged_was_put_aside(name))
                return 0;
        before = take_ptr(*names);
        text_set(names, "%s%s%s", before ?: "", before ? ", " : "", name);
        return 0;
}

char *recovery_explain_damage(const struct store *store)
{
        _cleanup_free_ char *names = NULL;
        char *text = NULL;

        if (store->place.store_fd >= 0)
                (void)staged_for_each(store->place.store_fd, ".", list_name, &names);
        if (names)
                text_set(
                        &text,
                        "what could not be read in %s was put aside, and what it said is lost: %s; "
                        "when you do not need it any more: netextctl extension gc",
                        store->folder, names);
        return text;
}

/* --- what lies in the folders --------------------------------------------------------------- */

static struct recovery *recovery_free(struct recovery *recovery)
{
        if (!recovery)
                return NULL;
        list_remove(&recovery->link);
        worker_end(&recovery->worker);
        close_fd(recovery->folder_fd);
        copy_free(recovery->copy);
        free(recovery->identifier);
        free(recovery->digest);
        free(recovery);
        return NULL;
}
DEFINE_CLEANUP(struct recovery *, recovery, recovery_free)

void recovery_end(struct store *store)
{
        struct recovery *recovery;

        while ((recovery = list_first(&store->recoveries, struct recovery, link)))
                recovery_free(recovery);
}

bool recovery_has(const struct store *store, const char *identifier)
{
        const struct recovery *recovery;

        list_for_each (recovery, &store->recoveries, link)
                if (strcmp(recovery->identifier, identifier) == 0)
                        return true;
        return false;
}

static int compare(const struct copy *one, const struct copy *other)
{
        const struct manifest *a = &one->bundle.manifest, *b = &other->bundle.manifest;

        return version_compare(a->version, b->version)
                       ?: version_compare(a->short_version, b->short_version);
}

/* Another one of its identifier is the better one. */
static bool is_beaten(const struct recovery *recovery)
{
        const struct recovery *other;

        list_for_each (other, &recovery->store->recoveries, link)
                if (other != recovery && other->copy &&
                    strcmp(other->identifier, recovery->identifier) == 0 &&
                    compare(other->copy, recovery->copy) > 0)
                        return true;
        return false;
}

static void bring_back(struct recovery *recovery)
{
        struct store *store = recovery->store;
        struct life *life =
                store_find(store, recovery->identifier) ?: life_new(store, recovery->identifier);
        struct copy *copy = recovery->copy;

        if (!life)
                return;
        log_warning("%s was found in its folder again", recovery->identifier);
        copy->state = COPY_ENABLED;
        copy->recovered = recovery_find_damage(store);
        life_take_up(life, take_ptr(recovery->copy));
        if (life->active == copy)
                life_resume(life);
}

/* All were looked at. */
static void conclude(struct store *store)
{
        struct recovery *recovery, *following;

        list_for_each_safe (recovery, following, &store->recoveries, link) {
                if (recovery->copy && !is_beaten(recovery))
                        bring_back(recovery);
                else if (!store_find(store, recovery->identifier))
                        (void)store->runner->remove(recovery->identifier, store->userdata);
        }
        recovery_end(store);
        store_save(store);
}

static void look_at_next(struct store *store);

static bool is_what_it_was(const struct recovery *recovery)
{
        const struct bundle *bundle = &recovery->worker.answer.bundle;

        return bundle_answer_is_bundle(&recovery->worker.answer) &&
               strcmp(bundle->digest, recovery->digest) == 0 &&
               strcmp(bundle->manifest.identifier, recovery->identifier) == 0;
}

static void looked(struct worker *worker, const char *problem, void *userdata)
{
        struct recovery *recovery = userdata;
        struct bundle *bundle = &worker->answer.bundle;
        _cleanup_free_ char *text = NULL;
        enum nx_request_error code;

        recovery->is_done = true;
        if (!problem && is_what_it_was(recovery)) {
                recovery->copy = copy_new(bundle, 0);
        } else {
                text = verify_explain(&worker->answer, problem, &code);
                log_error("what lies in %s/extensions/%s/%s is not in order: %s",
                          recovery->store->folder, recovery->identifier, recovery->digest,
                          text ?: "there is no memory");
                store_keep_report(recovery->store, 0, recovery->identifier, bundle);
        }
        worker_end(&recovery->worker);
        look_at_next(recovery->store);
}

/* Whoever signed it: developer mode may have let it in, and whether it still does is asked later.
 */
static int look_at(struct recovery *recovery, char **ret_problem)
{
        struct store *store = recovery->store;
        _cleanup_free_ char *folder = NULL;

        text_set(&folder, "extensions/%s/%s", recovery->identifier, recovery->digest);
        if (!folder)
                return -ENOMEM;
        recovery->folder_fd = staged_open(store->place.store_fd, folder);
        if (recovery->folder_fd < 0)
                return text_problem(ret_problem, recovery->folder_fd, "%s cannot be opened: %s",
                                    folder, strerror(-recovery->folder_fd));
        return verify_start(&recovery->worker, &store->place, recovery->folder_fd, VERIFY_DEVELOPER,
                            looked, recovery, ret_problem);
}

static void look_at_next(struct store *store)
{
        struct recovery *recovery;

        list_for_each (recovery, &store->recoveries, link) {
                _cleanup_free_ char *problem = NULL;
                int r;

                if (recovery->is_done)
                        continue;
                r = look_at(recovery, &problem);
                if (r >= 0)
                        return;
                recovery->is_done = true;
                log_error("%s is not recovered: %s", recovery->identifier, problem ?: strerror(-r));
        }
        conclude(store);
}

/* --- what there is to look at ------------------------------------------------------------- */

struct search {
        struct store *store;
        const char *identifier;
};

static int add(const char *digest, void *userdata)
{
        const struct search *search = userdata;
        _cleanup_(cleanup_recovery) struct recovery *recovery = NULL;
        struct store *store = search->store;

        if (!copy_is_name(digest) || life_has(store, search->identifier, digest))
                return 0;
        recovery = calloc(1, sizeof(*recovery));
        if (!recovery)
                return -ENOMEM;
        *recovery = (struct recovery){
                .store = store,
                .identifier = strdup(search->identifier),
                .digest = strdup(digest),
                .worker = WORKER_NULL,
                .folder_fd = -1,
        };
        list_init(&recovery->link);
        if (!recovery->identifier || !recovery->digest)
                return -ENOMEM;
        list_append(&store->recoveries, &recovery->link);
        (void)take_ptr(recovery);
        return 0;
}

static int search(const char *identifier, void *userdata)
{
        struct search search = { userdata, identifier };
        _cleanup_free_ char *folder = NULL;

        if (!copy_is_name(identifier))
                return 0;
        text_set(&folder, "extensions/%s", identifier);
        return folder ? staged_for_each(search.store->place.store_fd, folder, add, &search)
                      : -ENOMEM;
}

void recovery_begin(struct store *store)
{
        int r;

        r = staged_for_each(store->place.store_fd, "extensions", search, store);
        if (r < 0)
                log_error("%s/extensions cannot be looked through: %s", store->folder,
                          strerror(-r));
        if (!list_is_empty(&store->recoveries))
                look_at_next(store);
}
