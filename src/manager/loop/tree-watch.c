/* SPDX-License-Identifier: Apache-2.0 */

/* The tree is walked once, and each folder is watched before it is looked into. */

#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager/loop/tree-watch.h"

struct watched_folder {
        struct list link; /* tree_watch.folders */
        struct folder_watch watch;
};

struct walk {
        struct tree_watch *tree;
        sd_event *event;
        folder_watch_fn *fn;
        void *userdata;
};

static void close_walk(FTS **fts)
{
        if (*fts)
                fts_close(*fts);
}

static int watch_folder(const struct walk *walk, const char *path)
{
        struct watched_folder *folder = calloc(1, sizeof(*folder));
        int r;

        if (!folder)
                return -ENOMEM;
        r = folder_watch_start(&folder->watch, walk->event, path, walk->fn, walk->userdata);
        if (r < 0) {
                free(folder);
                return r;
        }
        list_append(&walk->tree->folders, &folder->link);
        return 0;
}

static int watch_below(const struct walk *walk, char *path, unsigned int max_depth)
{
        char *const roots[] = { path, NULL };
        _cleanup_(close_walk) FTS *fts =
                fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
        FTSENT *entry;
        int r = 0;

        if (!fts)
                return -errno;
        while (r >= 0 && (entry = fts_read(fts))) {
                if (entry->fts_info != FTS_D || entry->fts_level == FTS_ROOTLEVEL)
                        continue;
                if (entry->fts_level <= (int)max_depth)
                        r = watch_folder(walk, entry->fts_path);
                else
                        (void)fts_set(fts, entry, FTS_SKIP);
        }
        return r;
}

int tree_watch_start(struct tree_watch *watch, sd_event *event, const char *path,
                     unsigned int max_depth, folder_watch_fn *fn, void *userdata)
{
        const struct walk walk = { watch, event, fn, userdata };
        _cleanup_free_ char *root = strdup(path);
        int r;

        tree_watch_stop(watch);
        list_init(&watch->folders);
        r = root ? watch_folder(&walk, root) : -ENOMEM;
        return r < 0 ? r : watch_below(&walk, root, max_depth);
}

void tree_watch_stop(struct tree_watch *watch)
{
        struct watched_folder *folder, *following;

        if (!watch->folders.next)
                return;
        list_for_each_safe (folder, following, &watch->folders, link) {
                list_remove(&folder->link);
                folder_watch_stop(&folder->watch);
                free(folder);
        }
}
