/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The instance's named sets of destinations, which rules of any session can name. They
 * are told to every flowd; what flowd is not told for want of one, the next one is.
 */

#include "base/list.h"
#include "manager/engine/engine.h"
#include "manager/set/content.h"

#define SETS_MAX      64
#define SETS_SIZE_MAX (16 * 1024 * 1024) /* of all contents together */

struct set {
        struct list link; /* set_table.sets */
        char name[ENGINE_SET_NAME_SIZE];
        uint64_t updated_ns; /* CLOCK_REALTIME */
        struct set_content content;
};

/* Something that a later netextd needs to know has changed. */
typedef void set_table_changed_fn(void *userdata);

struct set_table {
        struct engine *engine; /* borrowed, like userdata */
        set_table_changed_fn *changed_fn;
        void *userdata;
        struct list sets; /* set.link, by name */
        size_t n_sets;
        size_t size; /* of the contents */
};

void set_table_init(struct set_table *table, struct engine *engine,
                    set_table_changed_fn *changed_fn, void *userdata);
void set_table_deinit(struct set_table *table);

struct set *set_table_find(struct set_table *table, const char *name);

/*
 * Replaces or makes the set; takes the content over on success. 0; -EINVAL for a name that is
 * none, -ENOSPC over SETS_MAX or SETS_SIZE_MAX, with a sentence and nothing changed; -ENOMEM.
 */
int set_table_put(struct set_table *table, const char *name, struct set_content *content,
                  char **ret_problem);
/* The same for what an earlier netextd remembered: nobody is told. */
int set_table_restore(struct set_table *table, const char *name, struct set_content *content,
                      uint64_t updated_ns, char **ret_problem);
/* 0, or -ENOENT with a sentence. */
int set_table_remove(struct set_table *table, const char *name, char **ret_problem);

/* A flowd is there: it is told all sets, and that there are no others. */
void set_table_engine_ready(struct set_table *table);
