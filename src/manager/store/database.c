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

#define DATABASE "extensions.json"

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
        return staged_replace_file(store->place.store_fd, DATABASE, text, strlen(text));
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
        life_take_up(life, copy);
        return 0;
}

static void fill(struct store *store, const json_t *root)
{
        json_t *object;
        size_t i;
        int r;

        store->developer = json_is_true(json_object_get(root, "developer"));
        store->developer_ns = (uint64_t)json_integer_value(json_object_get(root, "developer_ns"));
        actor_unpack(&store->developer_by, json_object_get(root, "developer_by"));
        json_array_foreach(json_object_get(root, "approvals"), i, object)
        {
                r = approval_unpack(&store->approvals, object);
                if (r < 0)
                        log_error("%s/" DATABASE ": approval %zu is forgotten: %s", store->folder,
                                  i, strerror(-r));
        }
        json_array_foreach(json_object_get(root, "copies"), i, object)
        {
                r = load_copy(store, object);
                if (r < 0)
                        log_error("%s/" DATABASE ": copy %zu is forgotten: %s", store->folder, i,
                                  strerror(-r));
        }
}

/* An earlier netextd was killed between a copy's end and its approval's. */
static void forget_approvals(struct store *store)
{
        struct approval *approval, *following;

        list_for_each_safe (approval, following, &store->approvals, link)
                if (!store_find(store, approval->identifier))
                        approvals_forget(&store->approvals, approval->identifier);
}

int database_load(struct store *store)
{
        _cleanup_fd_ int fd = staged_read_file(store->place.store_fd, DATABASE);
        _cleanup_(cleanup_json) json_t *root = NULL;
        json_error_t error;

        if (fd < 0)
                return fd;
        root = json_loadfd(fd, 0, &error);
        if (!root) {
                log_error("%s/" DATABASE ":%d:%d: %s; move it away, and activate the extensions "
                          "again",
                          store->folder, error.line, error.column, error.text);
                return -EBADMSG;
        }
        fill(store, root);
        forget_approvals(store);
        return 0;
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

        return life && life_get_copy(life);
}

static bool has_digest(const struct copy *copy, const char *digest)
{
        return copy && strcmp(copy->bundle.digest, digest) == 0;
}

static bool is_copy(const struct collection *collection, const char *name)
{
        const struct life *life =
                store_find(collection->store, strrchr(collection->parent, '/') + 1);
        const struct copy *copy;

        if (!life || has_digest(life->active, name) || has_digest(life->coming, name) ||
            has_digest(life->next, name))
                return life;
        list_for_each (copy, &life->leaving, link)
                if (has_digest(copy, name))
                        return true;
        return false;
}

unsigned int database_collect(const struct store *store)
{
        const struct life *life;
        unsigned int n;

        n = collect(store, "staging", is_being_staged);
        n += collect(store, "extensions", is_life);
        n += collect(store, "data", is_life);
        list_for_each (life, &store->lives, link) {
                _cleanup_free_ char *folder = NULL;

                text_set(&folder, "extensions/%s", life->identifier);
                if (folder)
                        n += collect(store, folder, is_copy);
        }
        return n;
}
