/* SPDX-License-Identifier: Apache-2.0 */

/* Sets by name, within their bounds, and how flowd hears of them. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/set/table.h"

void set_table_init(struct set_table *table, struct engine *engine,
                    set_table_changed_fn *changed_fn, void *userdata)
{
        *table = (struct set_table){
                .engine = engine,
                .changed_fn = changed_fn,
                .userdata = userdata,
        };
        list_init(&table->sets);
}

static struct set *set_free(struct set *set)
{
        list_remove(&set->link);
        set_content_deinit(&set->content);
        free(set);
        return NULL;
}

void set_table_deinit(struct set_table *table)
{
        struct set *set;

        while ((set = list_first(&table->sets, struct set, link)))
                set_free(set);
        table->n_sets = table->size = 0;
}

struct set *set_table_find(struct set_table *table, const char *name)
{
        struct set *set;

        list_for_each (set, &table->sets, link)
                if (strcmp(set->name, name) == 0)
                        return set;
        return NULL;
}

/* Of no content yet. */
static struct set *set_new(struct set_table *table, const char *name)
{
        struct set *set = calloc(1, sizeof(*set)), *other;

        if (!set)
                return NULL;
        snprintf(set->name, sizeof(set->name), "%s", name);
        list_for_each (other, &table->sets, link)
                if (strcmp(other->name, name) > 0)
                        break;
        list_append(&other->link, &set->link); /* before it, or last */
        table->n_sets++;
        return set;
}

static int check(struct set_table *table, const char *name, const struct set *set,
                 const struct set_content *content, char **ret_problem)
{
        size_t others = table->size - (set ? set->content.size : 0);

        if (!text_is_identifier(name))
                return text_problem(ret_problem, -EINVAL,
                                    "\"%s\" cannot be a set's name: it has 1 to %d lower-case "
                                    "letters, digits and dashes",
                                    name, TEXT_IDENTIFIER_MAX);
        if (!set && table->n_sets >= SETS_MAX)
                return text_problem(ret_problem, -ENOSPC,
                                    "there are %d sets already: remove one first", SETS_MAX);
        if (others + content->size > SETS_SIZE_MAX)
                return text_problem(ret_problem, -ENOSPC,
                                    "the sets of an instance have room for %d KiB together, and "
                                    "this one needs %zu of the %zu that are left",
                                    SETS_SIZE_MAX / 1024, content->size / 1024 + 1,
                                    (SETS_SIZE_MAX - others) / 1024);
        return 0;
}

/* All or nothing: without the commit flowd keeps the old content. */
static int tell(struct set_table *table, const struct set *set)
{
        int r;

        r = engine_begin_set(table->engine, set->name);
        for (size_t i = 0; r >= 0 && i < set->content.n_entries; i++) {
                const struct set_entry *entry = &set->content.entries[i];

                r = entry->domain
                            ? engine_add_domain(table->engine, entry->domain)
                            : engine_add_network(table->engine, &entry->network, entry->prefix);
        }
        return r < 0 ? r : engine_commit_set(table->engine);
}

static void tell_or_log(struct set_table *table, const struct set *set)
{
        int r = tell(table, set);

        if (r < 0 && r != -ENOTCONN)
                log_error("netext-flowd cannot be told the set %s: %s", set->name, strerror(-r));
}

static int put(struct set_table *table, const char *name, struct set_content *content,
               struct set **ret_set, char **ret_problem)
{
        struct set *set = set_table_find(table, name);
        int r;

        r = check(table, name, set, content, ret_problem);
        if (r < 0)
                return r;
        if (!set)
                set = set_new(table, name);
        if (!set)
                return -ENOMEM;
        table->size += content->size - set->content.size;
        set_content_deinit(&set->content);
        set->content = *content;
        *content = (struct set_content){};
        *ret_set = set;
        return 0;
}

int set_table_put(struct set_table *table, const char *name, struct set_content *content,
                  char **ret_problem)
{
        struct set *set;
        int r;

        r = put(table, name, content, &set, ret_problem);
        if (r < 0)
                return r;
        set->updated_ns = clock_realtime_ns();
        table->changed_fn(table->userdata);
        tell_or_log(table, set);
        return 0;
}

int set_table_restore(struct set_table *table, const char *name, struct set_content *content,
                      uint64_t updated_ns, char **ret_problem)
{
        struct set *set;
        int r;

        r = put(table, name, content, &set, ret_problem);
        if (r >= 0)
                set->updated_ns = updated_ns;
        return r;
}

int set_table_remove(struct set_table *table, const char *name, char **ret_problem)
{
        struct set *set = set_table_find(table, name);

        if (!set)
                return text_problem(ret_problem, -ENOENT, "there is no set \"%s\"", name);
        table->size -= set->content.size;
        table->n_sets--;
        set_free(set);
        table->changed_fn(table->userdata);
        (void)engine_remove_set(table->engine, name);
        return 0;
}

void set_table_engine_ready(struct set_table *table)
{
        struct set *set;

        list_for_each (set, &table->sets, link)
                tell_or_log(table, set);
        (void)engine_keep_sets(table->engine);
}
