/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All extensions of the instance, and the socket where their processes come back. */

#include <errno.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "manager/paths.h"

struct engine;
struct extension;

/* An installed extension is about to be made anew: extension_vouched() says whether it may be. */
typedef void extension_vouch_fn(struct extension *extension, void *userdata);

struct extension_table {
        sd_event *event;
        const char *instance; /* borrowed, like the next two */
        const struct paths *paths;
        struct engine *engine;
        int cgroup_fd; /* the folder above the extensions' cgroups */
        int lobby_fd;  /* the `extension` socket */
        sd_event_source *lobby;
        struct list extensions;       /* extension.link */
        struct list watches;          /* extension_watch.link */
        extension_vouch_fn *vouch_fn; /* NULL: nobody is asked */
        void *vouch_userdata;
};

/* Borrows everything; takes cgroup_fd over. */
void extension_table_init(struct extension_table *table, sd_event *event, const char *instance,
                          const struct paths *paths, struct engine *engine, int cgroup_fd);
/* A flowd answers that was there before: what it may have missed. */
void extension_table_engine_ready(struct extension_table *table);
/* Leaves running extensions alone. */
void extension_table_deinit(struct extension_table *table);
/* Forgets them all, so that a sweep takes what is left of them. */
void extension_table_drop_all(struct extension_table *table);
/* Lets extensions come back. 0 or negative errno. */
int extension_table_listen(struct extension_table *table);
/* After an earlier netextd: all are there, as the state file has them. */
void extension_table_resume(struct extension_table *table);
/* Kills and removes what is left in cgroups that no extension has. */
void extension_table_sweep(struct extension_table *table);
void extension_table_remove_all(struct extension_table *table);

/* NULL: none has that number. */
struct extension *extension_table_find_number(struct extension_table *table, unsigned int number);
/* 0, or -EBUSY while killed processes are still leaving. */
int extension_table_remove_cgroup(struct extension_table *table, unsigned int number);
