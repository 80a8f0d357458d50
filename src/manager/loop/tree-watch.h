/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The folders of a tree, each watched as folder-watch.h says, also while the tree is not there. A
 * folder that comes into it is told of, and watched from the next tree_watch_start() on. What a
 * program writes is told when it closes the file.
 */

#include "base/list.h"
#include "manager/loop/folder-watch.h"

struct tree_watch {
        struct list folders; /* watched_folder.link */
};

/* In place of what was watched before. max_depth: of folders in folders. path is absolute. 0 or
 * -ENOMEM, and then some are watched. */
int tree_watch_start(struct tree_watch *watch, sd_event *event, const char *path,
                     unsigned int max_depth, folder_watch_fn *fn, void *userdata);
/* Fine on one that is zero. */
void tree_watch_stop(struct tree_watch *watch);
