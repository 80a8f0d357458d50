/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel's rule engine knows domains as numbers and has a map of (address, number).
 * An answer adds its address under every domain in use that its name is below; a domain
 * that comes into use is held against the names that are already known. The domains of a
 * set have one number together, so that one lookup answers for all of them.
 *
 * An entry outlives its TTL by as much as programs do: they resolve once and connect for
 * minutes. What a name stood for a quarter of an hour ago is still a good hint.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "names/names.h"
#include "steer/hooks.h"

#define ENTRIES_MAX 8192
#define KEPT_MIN_S  900
#define KEPT_MAX_S  86400
#define NS_PER_S    1000000000ULL

struct name_entry {
        struct htable_link link;
        struct list age; /* names.ages */
        struct in6_addr address;
        uint64_t expiry_ns;
        char name[];
};

int names_init(struct names *names, struct hooks *hooks)
{
        int r;

        *names = (struct names){ .hooks = hooks };
        list_init(&names->ages);
        r = htable_init(&names->entries, 256);
        return r < 0 ? r : domains_init(&names->domains);
}

static void entry_free(struct names *names, struct name_entry *entry)
{
        htable_remove(&names->entries, &entry->link);
        list_remove(&entry->age);
        names->n_entries--;
        free(entry);
}

void names_deinit(struct names *names)
{
        struct name_entry *entry;

        while ((entry = list_first(&names->ages, struct name_entry, age)))
                entry_free(names, entry);
        domains_deinit(&names->domains);
        htable_deinit(&names->entries);
}

struct telling {
        struct names *names;
        const struct name_entry *entry;
};

static void tell_rules_of(uint32_t domain, void *userdata)
{
        const struct telling *telling = userdata;
        struct steer_address address;

        memcpy(&address, &telling->entry->address, sizeof(address));
        (void)hooks_set_name(telling->names->hooks, &address, domain, telling->entry->expiry_ns);
}

static void tell_rules(struct names *names, const struct name_entry *entry)
{
        struct telling telling = { .names = names, .entry = entry };

        domains_above(&names->domains, entry->name, tell_rules_of, &telling);
}

/* An address can have several names: each is an entry of its own. */
static struct name_entry *find_entry(struct names *names, const struct in6_addr *address,
                                     const char *name)
{
        struct name_entry *entry;

        htable_for_each_match (entry, &names->entries, htable_hash(address, sizeof(*address)), link)
                if (IN6_ARE_ADDR_EQUAL(&entry->address, address) &&
                    (!name || strcmp(entry->name, name) == 0))
                        return entry;
        return NULL;
}

static struct name_entry *entry_new(struct names *names, const char *name,
                                    const struct in6_addr *address)
{
        struct name_entry *entry = malloc(sizeof(*entry) + strlen(name) + 1);

        if (!entry)
                return NULL;
        *entry = (struct name_entry){ .address = *address };
        strcpy(entry->name, name);
        htable_add(&names->entries, &entry->link, htable_hash(address, sizeof(*address)));
        list_append(&names->ages, &entry->age);
        if (++names->n_entries > ENTRIES_MAX)
                entry_free(names, list_first(&names->ages, struct name_entry, age));
        return entry;
}

void names_learn(struct names *names, const char *name, const struct in6_addr *address,
                 uint32_t ttl_s)
{
        struct name_entry *entry = find_entry(names, address, name);

        if (entry)
                entry_free(names, entry); /* so that the newest is found first */
        entry = entry_new(names, name, address);
        if (!entry)
                return;
        if (ttl_s < KEPT_MIN_S)
                ttl_s = KEPT_MIN_S;
        if (ttl_s > KEPT_MAX_S)
                ttl_s = KEPT_MAX_S;
        entry->expiry_ns = now_ns() + ttl_s * NS_PER_S;
        tell_rules(names, entry);
}

const char *names_find(struct names *names, const struct in6_addr *address)
{
        struct name_entry *entry = find_entry(names, address, NULL);

        return entry && entry->expiry_ns > now_ns() ? entry->name : NULL;
}

bool names_find_address(struct names *names, const char *name, struct in6_addr *ret_address)
{
        const struct name_entry *entry, *found = NULL;

        list_for_each (entry, &names->ages, age)
                if (entry->expiry_ns > now_ns() && strcmp(entry->name, name) == 0)
                        found = entry;
        if (found)
                *ret_address = found->address;
        return found;
}

uint32_t names_use_domains(struct names *names, const char *const *domains, size_t n_domains)
{
        bool is_new = false;
        uint32_t number = domains_use(&names->domains, domains, n_domains, &is_new);

        names->has_new_domains |= is_new;
        return number;
}

void names_catch_up(struct names *names)
{
        struct name_entry *entry;

        if (!names->has_new_domains)
                return;
        names->has_new_domains = false;
        list_for_each (entry, &names->ages, age)
                tell_rules(names, entry);
}

void names_drop_domain(struct names *names, uint32_t number)
{
        domains_drop(&names->domains, number);
}
