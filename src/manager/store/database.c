/* SPDX-License-Identifier: Apache-2.0 */

/* What is on disk, and whether that and what is known agree. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/priv/staged.h"
#include "manager/store/activation.h"
#include "manager/store/database.h"
#include "manager/store/life.h"
#include "manager/store/recovery.h"

DEFINE_CLEANUP(json_t *, json, json_decref)

static void pack_copy(json_t *copies, const struct copy *copy)
{
        if (copy)
                (void)json_array_append_new(copies, copy_pack(copy));
}

static void pack_life(json_t *copies, const struct life *life)
{
        const struct copy *copy;

        pack_copy(copies, life->active);
        pack_copy(copies, life->coming);
        pack_copy(copies, life->next);
        list_for_each (copy, &life->leaving, link)
                pack_copy(copies, copy);
}

/* When developer mode was switched last, and by whom. */
static void pack_developer(json_t *object, const struct store *store)
{
        (void)json_object_set_new(object, "developer_ns",
                                  json_integer((json_int_t)store->developer_ns));
        (void)json_object_set_new(object, "developer_by", actor_pack(&store->developer_by));
}

int database_save(const struct store *store)
{
        _cleanup_(cleanup_json) json_t *object = json_object();
        json_t *copies = json_array(), *approvals = json_array();
        _cleanup_free_ char *text = NULL;
        const struct approval *approval;
        const struct life *life;

        list_for_each (life, &store->lives, link)
                pack_life(copies, life);
        list_for_each (approval, &store->approvals, link)
                (void)json_array_append_new(approvals, approval_pack(approval));
        (void)json_object_set_new(object, "developer", json_boolean(store->developer));
        if (store->developer_ns)
                pack_developer(object, store);
        (void)json_object_set_new(object, "approvals", approvals);
        (void)json_object_set_new(object, "copies", copies);
        text = object ? json_dumps(object, JSON_INDENT(1)) : NULL;
        if (!text)
                return -ENOMEM;
        return staged_replace_file(store->place.store_fd, DATABASE_NAME, text, strlen(text));
}

static int load_copy(struct store *store, const json_t *object)
{
        struct copy *copy;
        struct life *life;
        int r;

        r = copy_unpack(object, &copy);
        if (r < 0)
                return r;
        life = store_find(store, copy->bundle.manifest.identifier)
                       ?: life_new(store, copy->bundle.manifest.identifier);
        if (!life) {
                copy_free(copy);
                return -ENOMEM;
        }
        request_log_skip(&store->requests, copy->request);
        life_take_up(life, copy);
        return 0;
}

/* False: some of it is not known. */
static bool fill_approvals(struct store *store, const json_t *root)
{
        const json_t *approvals = json_object_get(root, "approvals");
        bool is_whole = json_is_array(approvals);
        json_t *object;
        size_t i;

        json_array_foreach(approvals, i, object)
        {
                int r = approval_unpack(&store->approvals, object);

                if (r < 0)
                        log_error("%s/" DATABASE_NAME ": approval %zu is forgotten: %s",
                                  store->folder, i, strerror(-r));
                is_whole &= r >= 0;
        }
        return is_whole;
}

static bool fill_copies(struct store *store, const json_t *root)
{
        const json_t *copies = json_object_get(root, "copies");
        bool is_whole = json_is_array(copies);
        json_t *object;
        size_t i;

        json_array_foreach(copies, i, object)
        {
                int r = load_copy(store, object);

                if (r < 0)
                        log_error("%s/" DATABASE_NAME ": copy %zu is forgotten: %s", store->folder,
                                  i, strerror(-r));
                is_whole &= r >= 0;
        }
        return is_whole;
}

static bool fill(struct store *store, const json_t *root)
{
        bool is_whole;

        store->developer = json_is_true(json_object_get(root, "developer"));
        store->developer_ns = (uint64_t)json_integer_value(json_object_get(root, "developer_ns"));
        actor_unpack(&store->developer_by, json_object_get(root, "developer_by"));
        is_whole = fill_approvals(store, root);
        return fill_copies(store, root) && is_whole;
}

/* An earlier netextd was killed between a copy's end and its approval's. */
static void forget_approvals(struct store *store)
{
        struct approval *approval, *following;

        list_for_each_safe (approval, following, &store->approvals, link)
                if (!store_find(store, approval->identifier))
                        approval_free(approval);
}

/* False: it is none of ours, or not all of it can be read. */
static bool read_database(struct store *store, int fd)
{
        _cleanup_(cleanup_json) json_t *root = NULL;
        json_error_t error;

        root = json_loadfd(fd, 0, &error);
        if (root)
                return fill(store, root);
        log_error("%s/" DATABASE_NAME ":%d:%d: %s", store->folder, error.line, error.column,
                  error.text);
        return false;
}

static void put_aside(struct store *store)
{
        _cleanup_free_ char *aside = NULL;
        int r;

        r = staged_put_aside(store->place.store_fd, DATABASE_NAME, &aside);
        if (r < 0)
                log_error("%s/" DATABASE_NAME " is damaged and cannot be put aside: %s",
                          store->folder, strerror(-r));
        else
                log_error("%s/" DATABASE_NAME
                          " was damaged, and is %s now: the extensions are looked "
                          "for in their folders, and have to be approved again",
                          store->folder, aside);
}

void database_load(struct store *store)
{
        _cleanup_fd_ int fd = staged_read_file(store->place.store_fd, DATABASE_NAME);

        if (fd == -ENOENT)
                return;
        if (fd < 0 || !read_database(store, fd)) {
                put_aside(store);
                store_save(store);
        }
        forget_approvals(store);
}

/* --- orphans ----------------------------------------------------------------------------- */

struct collection {
        const struct store *store;
        const char *parent; /* folder that is looked through */
        bool (*is_known)(const struct collection *collection, const char *name);
        unsigned int n_removed;
};

static int collect_one(const char *name, void *userdata)
{
        struct collection *collection = userdata;
        _cleanup_free_ char *path = NULL;

        if (collection->is_known(collection, name))
                return 0;
        text_set(&path, "%s/%s", collection->parent, name);
        if (!path)
                return -ENOMEM;
        log_info("%s/%s belongs to nothing and is removed", collection->store->folder, path);
        collection->n_removed += staged_remove(collection->store->place.store_fd, path) >= 0;
        return 0;
}

static unsigned int collect(const struct store *store, const char *parent,
                            bool (*is_known)(const struct collection *collection, const char *name))
{
        struct collection collection = { store, parent, is_known, 0 };

        (void)staged_for_each(store->place.store_fd, parent, collect_one, &collection);
        return collection.n_removed;
}

static bool is_being_staged(const struct collection *collection, const char *name)
{
        struct activation *activation;
        char number[24];

        list_for_each (activation, &collection->store->activations, link) {
                snprintf(number, sizeof(number), "%llu",
                         (unsigned long long)activation->request->number);
                if (strcmp(name, number) == 0)
                        return true;
        }
        return false;
}

static bool is_life(const struct collection *collection, const char *name)
{
        const struct life *life = store_find(collection->store, name);

        return (life && life_get_copy(life)) || recovery_has(collection->store, name);
}

static bool is_copy(const struct collection *collection, const char *name)
{
        const char *identifier = strrchr(collection->parent, '/') + 1;

        return recovery_has(collection->store, identifier) ||
               life_has(collection->store, identifier, name);
}

/* TEAM.identifier */
static bool is_owner(const struct collection *collection, const char *name)
{
        const char *dot = strchr(name, '.');

        return dot && is_life(collection, dot + 1);
}

/* What is still looked for may name any. */
static bool is_team_with_groups(const struct collection *collection, const char *name)
{
        return life_names_group(collection->store, name, NULL) ||
               !list_is_empty(&collection->store->recoveries);
}

static bool is_group(const struct collection *collection, const char *name)
{
        const char *team = strrchr(collection->parent, '/') + 1;

        return life_names_group(collection->store, team, name) ||
               !list_is_empty(&collection->store->recoveries);
}

static bool is_no_damage(const struct collection *collection, const char *name)
{
        return !staged_was_put_aside(name);
}

unsigned int database_collect_staging(const struct store *store)
{
        return collect(store, "staging", is_being_staged);
}

struct team_collection {
        const struct store *store;
        unsigned int n_removed;
};

static int collect_groups_of(const char *team, void *userdata)
{
        struct team_collection *collection = userdata;
        _cleanup_free_ char *folder = NULL;

        text_set(&folder, "groups/%s", team);
        if (folder)
                collection->n_removed += collect(collection->store, folder, is_group);
        return 0;
}

unsigned int database_collect_groups(const struct store *store)
{
        struct team_collection collection = { store,
                                              collect(store, "groups", is_team_with_groups) };

        (void)staged_for_each(store->place.store_fd, "groups", collect_groups_of, &collection);
        return collection.n_removed;
}

unsigned int database_collect(const struct store *store)
{
        const struct life *life;
        unsigned int n;

        n = database_collect_staging(store);
        n += collect(store, "extensions", is_life);
        n += collect(store, "data", is_life);
        n += database_collect_groups(store);
        n += collect(store, STORE_VAULT, is_owner);
        list_for_each (life, &store->lives, link) {
                _cleanup_free_ char *folder = NULL;

                text_set(&folder, "extensions/%s", life->identifier);
                if (folder)
                        n += collect(store, folder, is_copy);
        }
        return n;
}

unsigned int database_collect_damage(const struct store *store)
{
        return collect(store, ".", is_no_damage);
}
