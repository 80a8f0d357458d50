/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel's rule engine knows domains as numbers and has a map of (address, number).
 * An answer adds its address under every domain in use that its name is below; a domain
 * that comes into use is held against the names that are already known. The domains of a
 * set have one number together, so that one lookup answers for all of them.
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
        size_t n_suffixes;
        char *suffixes[]; /* sorted, in lower case; their text is behind them */
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

static int compare_suffixes(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "www.example.org" and "example.org" are below "example.org", "badexample.org" is not. */
static bool is_below(const char *name, const struct domain *domain)
{
        while (*name) {
                const char *dot = strchrnul(name, '.');

                if (bsearch(&name, domain->suffixes, domain->n_suffixes, sizeof(char *),
                            compare_suffixes))
                        return true;
                name = *dot ? dot + 1 : dot;
        }
        return false;
}

static void tell_rules(struct names *names, const struct name_entry *entry,
                       const struct domain *domain)
{
        struct steer_address address;

        if (!is_below(entry->name, domain))
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

/* FNV-1a of the names, or the next number that is free; never 0. */
static uint32_t choose_number(struct names *names, const struct domain *domain)
{
        uint32_t number = 2166136261U;

        for (size_t i = 0; i < domain->n_suffixes; i++) {
                if (i > 0)
                        number = (number ^ '\n') * 16777619U;
                for (const char *at = domain->suffixes[i]; *at; at++)
                        number = (number ^ (uint8_t)*at) * 16777619U;
        }
        while (number == 0 || find_number(names, number))
                number++;
        return number;
}

static void sort_suffixes(struct domain *domain)
{
        size_t n = 0;

        qsort(domain->suffixes, domain->n_suffixes, sizeof(char *), compare_suffixes);
        for (size_t i = 0; i < domain->n_suffixes; i++)
                if (n == 0 || strcmp(domain->suffixes[n - 1], domain->suffixes[i]) != 0)
                        domain->suffixes[n++] = domain->suffixes[i];
        domain->n_suffixes = n;
}

static struct domain *domain_new(const char *const *suffixes, size_t n_suffixes)
{
        size_t size = sizeof(struct domain) + n_suffixes * sizeof(char *);
        struct domain *domain;
        char *text;

        for (size_t i = 0; i < n_suffixes; i++)
                size += strlen(suffixes[i]) + 1;
        domain = malloc(size);
        if (!domain)
                return NULL;
        *domain = (struct domain){ .n_users = 1, .n_suffixes = n_suffixes };
        list_init(&domain->link);
        text = (char *)&domain->suffixes[n_suffixes];
        for (size_t i = 0; i < n_suffixes; i++) {
                domain->suffixes[i] = text;
                for (const char *from = suffixes[i]; *from; from++)
                        *text++ = (char)tolower((unsigned char)*from);
                *text++ = '\0';
        }
        sort_suffixes(domain);
        return domain;
}

static bool is_same(const struct domain *a, const struct domain *b)
{
        if (a->n_suffixes != b->n_suffixes)
                return false;
        for (size_t i = 0; i < a->n_suffixes; i++)
                if (strcmp(a->suffixes[i], b->suffixes[i]) != 0)
                        return false;
        return true;
}

static struct domain *find_same(struct names *names, const struct domain *wanted)
{
        struct domain *domain;

        list_for_each (domain, &names->domains, link)
                if (is_same(domain, wanted))
                        return domain;
        return NULL;
}

uint32_t names_use_domains(struct names *names, const char *const *suffixes, size_t n_suffixes)
{
        struct domain *domain = domain_new(suffixes, n_suffixes), *same;
        struct name_entry *entry;

        if (!domain)
                return 0;
        same = find_same(names, domain);
        if (same) {
                domain_free(domain);
                same->n_users++;
                return same->number;
        }
        domain->number = choose_number(names, domain);
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
