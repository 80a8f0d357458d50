/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel's rule engine knows domains as numbers and has a map of (address, number).
 * An answer adds its address under every domain in use that its name is below; a domain
 * that comes into use is held against the names that are already known.
 *
 * The map outlives us. So a domain's number follows from its name: under every flowd the
 * addresses of one domain are that domain's, and known at once.
 *
 * An entry outlives its TTL by as much as programs do: they resolve once and connect for
 * minutes. What a name stood for a quarter of an hour ago is still a good hint.
 */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

struct domain {
        struct list link; /* names.domains */
        uint32_t number;
        unsigned int n_users;
        char suffix[];
};

int names_init(struct names *names, struct hooks *hooks)
{
        *names = (struct names){ .hooks = hooks };
        list_init(&names->ages);
        list_init(&names->domains);
        return htable_init(&names->entries, 256);
}

static void entry_free(struct names *names, struct name_entry *entry)
{
        htable_remove(&names->entries, &entry->link);
        list_remove(&entry->age);
        names->n_entries--;
        free(entry);
}

static void domain_free(struct domain *domain)
{
        list_remove(&domain->link);
        free(domain);
}

void names_deinit(struct names *names)
{
        struct name_entry *entry;
        struct domain *domain;

        while ((entry = list_first(&names->ages, struct name_entry, age)))
                entry_free(names, entry);
        while ((domain = list_first(&names->domains, struct domain, link)))
                domain_free(domain);
        htable_deinit(&names->entries);
}

/* "www.example.org" and "example.org" are below "example.org", "badexample.org" is not. */
static bool is_below(const char *name, const char *suffix)
{
        size_t name_length = strlen(name), suffix_length = strlen(suffix);
        const char *tail;

        if (name_length < suffix_length)
                return false;
        tail = name + name_length - suffix_length;
        return strcasecmp(tail, suffix) == 0 && (tail == name || tail[-1] == '.');
}

static void tell_rules(struct names *names, const struct name_entry *entry,
                       const struct domain *domain)
{
        struct steer_address address;

        if (!is_below(entry->name, domain->suffix))
                return;
        memcpy(&address, &entry->address, sizeof(address));
        (void)hooks_set_name(names->hooks, &address, domain->number, entry->expiry_ns);
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
        struct domain *domain;

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
        list_for_each (domain, &names->domains, link)
                tell_rules(names, entry, domain);
}

const char *names_find(struct names *names, const struct in6_addr *address)
{
        struct name_entry *entry = find_entry(names, address, NULL);

        return entry && entry->expiry_ns > now_ns() ? entry->name : NULL;
}

static struct domain *find_number(struct names *names, uint32_t number)
{
        struct domain *domain;

        list_for_each (domain, &names->domains, link)
                if (domain->number == number)
                        return domain;
        return NULL;
}

/* FNV-1a of the name, or the next number that is free; never 0. */
static uint32_t choose_number(struct names *names, const char *suffix)
{
        uint32_t number = 2166136261U;

        for (const char *at = suffix; *at; at++)
                number = (number ^ (uint32_t)tolower((unsigned char)*at)) * 16777619U;
        while (number == 0 || find_number(names, number))
                number++;
        return number;
}

uint32_t names_use_domain(struct names *names, const char *suffix)
{
        struct name_entry *entry;
        struct domain *domain;

        list_for_each (domain, &names->domains, link)
                if (strcasecmp(domain->suffix, suffix) == 0) {
                        domain->n_users++;
                        return domain->number;
                }
        domain = malloc(sizeof(*domain) + strlen(suffix) + 1);
        if (!domain)
                return 0;
        *domain = (struct domain){ .number = choose_number(names, suffix), .n_users = 1 };
        strcpy(domain->suffix, suffix);
        list_append(&names->domains, &domain->link);
        list_for_each (entry, &names->ages, age)
                tell_rules(names, entry, domain);
        return domain->number;
}

void names_drop_domain(struct names *names, uint32_t number)
{
        struct domain *domain = find_number(names, number);

        if (domain && --domain->n_users == 0)
                domain_free(domain);
}
