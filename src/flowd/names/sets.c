/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A set is one entry of the kernel's map, by a number that follows from its name: so the
 * rules that an earlier flowd put in force mean the same set. A set that exists is in that
 * map; one that only rules name is here alone, for its number.
 *
 * New content is made beside the old one and put in its place in one step: the networks
 * and the number of the domains (names.h) change together, after the addresses that
 * are known of the new domains. Flows that both would match always meet one of them.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "names/names.h"
#include "names/sets.h"
#include "steer/hooks.h"

struct set {
        struct list link; /* sets.sets */
        struct htable_link name_link, number_link;
        uint32_t number;
        unsigned int n_users; /* rules */
        bool exists;          /* in the kernel */
        bool is_expected;     /* it goes if it is not put again */
        uint32_t domains;     /* their number; 0: none */
        int error;            /* why the last content is not in force */
        char name[];
};

struct set_content {
        struct steer_set_key *networks;
        uint32_t n_networks;
        char **domains; /* owned, and so is each */
        size_t n_domains;
        char name[];
};

static struct set_content *content_free(struct set_content *content)
{
        if (!content)
                return NULL;
        for (size_t i = 0; i < content->n_domains; i++)
                free(content->domains[i]);
        free(content->domains);
        free(content->networks);
        free(content);
        return NULL;
}
DEFINE_CLEANUP(struct set_content *, content, content_free)

int sets_init(struct sets *sets, struct hooks *hooks, struct names *names)
{
        int r;

        *sets = (struct sets){ .hooks = hooks, .names = names };
        list_init(&sets->sets);
        r = htable_init(&sets->by_name, 64);
        return r < 0 ? r : htable_init(&sets->by_number, 64);
}

static void set_free(struct sets *sets, struct set *set)
{
        htable_remove(&sets->by_name, &set->name_link);
        htable_remove(&sets->by_number, &set->number_link);
        list_remove(&set->link);
        free(set);
}

void sets_deinit(struct sets *sets)
{
        struct set *set;

        if (!sets->hooks)
                return;
        while ((set = list_first(&sets->sets, struct set, link)))
                set_free(sets, set);
        sets->next = content_free(sets->next);
        htable_deinit(&sets->by_name);
        htable_deinit(&sets->by_number);
}

static struct set *find_name(struct sets *sets, const char *name)
{
        struct set *set;

        htable_for_each_match (set, &sets->by_name, htable_hash(name, strlen(name)), name_link)
                if (strcmp(set->name, name) == 0)
                        return set;
        return NULL;
}

static struct set *find_number(struct sets *sets, uint32_t number)
{
        uint64_t hash = htable_hash(&number, sizeof(number));
        struct set *set;

        htable_for_each_match (set, &sets->by_number, hash, number_link)
                if (set->number == number)
                        return set;
        return NULL;
}

/* FNV-1a of the name, or the next number that is free; never 0. */
static uint32_t choose_number(struct sets *sets, const char *name)
{
        uint32_t number = 2166136261U;

        for (const char *at = name; *at; at++)
                number = (number ^ (uint8_t)*at) * 16777619U;
        while (number == 0 || find_number(sets, number))
                number++;
        return number;
}

static struct set *find_or_make(struct sets *sets, const char *name)
{
        struct set *set = find_name(sets, name);

        if (set)
                return set;
        set = malloc(sizeof(*set) + strlen(name) + 1);
        if (!set)
                return NULL;
        *set = (struct set){ .number = choose_number(sets, name) };
        strcpy(set->name, name);
        htable_add(&sets->by_name, &set->name_link, htable_hash(name, strlen(name)));
        htable_add(&sets->by_number, &set->number_link,
                   htable_hash(&set->number, sizeof(set->number)));
        list_append(&sets->sets, &set->link);
        return set;
}

static void free_if_unused(struct sets *sets, struct set *set)
{
        if (set->n_users == 0 && !set->exists && !set->error)
                set_free(sets, set);
}

uint32_t sets_use(struct sets *sets, const char *name)
{
        struct set *set = find_or_make(sets, name);

        if (!set)
                return 0;
        set->n_users++;
        return set->number;
}

void sets_drop(struct sets *sets, uint32_t number)
{
        struct set *set = find_number(sets, number);

        if (!set)
                return;
        set->n_users--;
        free_if_unused(sets, set);
}

int sets_begin(struct sets *sets, const char *name)
{
        sets->next = content_free(sets->next);
        sets->next = calloc(1, sizeof(*sets->next) + strlen(name) + 1);
        if (!sets->next)
                return -ENOMEM;
        strcpy(sets->next->name, name);
        return 0;
}

/* Grows by doubling. 0 or -ENOMEM. */
static int reserve(void **items, size_t n_items, size_t size)
{
        void *grown;

        if (n_items & (n_items - 1))
                return 0;
        grown = reallocarray(*items, 2 * n_items + 1, size);
        if (!grown)
                return -ENOMEM;
        *items = grown;
        return 0;
}

int sets_add_network(struct sets *sets, const struct in6_addr *address, unsigned int prefix)
{
        struct set_content *content = sets->next;
        struct steer_set_key *network;
        int r;

        if (!content || prefix > 128)
                return -EBADMSG;
        r = reserve((void **)&content->networks, content->n_networks, sizeof(*network));
        if (r < 0)
                return r;
        network = &content->networks[content->n_networks++];
        *network = (struct steer_set_key){ .n_bits = STEER_SET_ENTRY_BITS + prefix };
        memcpy(&network->address, address, sizeof(network->address));
        return 0;
}

int sets_add_domain(struct sets *sets, const char *domain)
{
        struct set_content *content = sets->next;
        char *copy;
        int r;

        if (!content)
                return -EBADMSG;
        r = reserve((void **)&content->domains, content->n_domains, sizeof(*content->domains));
        if (r < 0)
                return r;
        copy = strdup(domain);
        if (!copy)
                return -ENOMEM;
        content->domains[content->n_domains++] = copy;
        return 0;
}

static int put(struct sets *sets, struct set *set, const struct set_content *content)
{
        uint32_t domains = 0;
        int r;

        if (content->n_domains > 0) {
                domains = names_use_domains(sets->names, (const char *const *)content->domains,
                                            content->n_domains);
                if (!domains)
                        return -ENOMEM;
        }
        names_catch_up(sets->names);
        r = hooks_put_set(sets->hooks, set->number, content->networks, content->n_networks,
                          domains);
        if (r < 0) {
                names_drop_domain(sets->names, domains);
                return r;
        }
        names_drop_domain(sets->names, set->domains);
        set->domains = domains;
        set->exists = true;
        return 0;
}

int sets_commit(struct sets *sets)
{
        _cleanup_(cleanup_content) struct set_content *content = take_ptr(sets->next);
        struct set *set;

        if (!content)
                return -EBADMSG;
        set = find_or_make(sets, content->name);
        if (!set)
                return -ENOMEM;
        set->is_expected = false;
        set->error = put(sets, set, content);
        return set->error;
}

static void take_away(struct sets *sets, struct set *set)
{
        (void)hooks_remove_set(sets->hooks, set->number);
        names_drop_domain(sets->names, set->domains);
        set->domains = 0;
        set->exists = false;
        set->error = 0;
        free_if_unused(sets, set);
}

void sets_remove(struct sets *sets, const char *name)
{
        struct set *set = find_name(sets, name);

        if (set)
                take_away(sets, set);
}

void sets_expect(struct sets *sets)
{
        struct set *set;

        list_for_each (set, &sets->sets, link)
                set->is_expected = set->exists;
}

/* What an earlier flowd put, and netextd does not know any more. */
static void remove_strangers(struct sets *sets)
{
        uint32_t number, *after = NULL, last;

        while (hooks_next_set(sets->hooks, after, &number)) {
                const struct set *set = find_number(sets, number);

                if (!set || !set->exists)
                        (void)hooks_remove_set(sets->hooks, number); /* then the walk starts anew */
                last = number;
                after = &last;
        }
}

void sets_keep(struct sets *sets)
{
        struct set *set, *following;

        list_for_each_safe (set, following, &sets->sets, link)
                if (set->is_expected)
                        take_away(sets, set);
        remove_strangers(sets);
}

int sets_check(struct sets *sets, const char *name)
{
        const struct set *set = find_name(sets, name);

        if (!set || (!set->exists && !set->error))
                return -ENOENT;
        return set->error;
}
