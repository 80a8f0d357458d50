/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel's map of addresses outlives us. So a domain's number follows from its name: under
 * every flowd the addresses of one domain are that domain's, and known at once.
 */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "names/domains.h"

struct domain;

struct suffix {
        struct htable_link link; /* domains.by_suffix */
        struct domain *domain;
        char *text;
};

struct domain {
        struct htable_link number_link, wish_link;
        uint32_t number;
        uint32_t wish; /* the number, if nobody else had it */
        unsigned int n_users;
        size_t n_suffixes;
        struct suffix suffixes[]; /* sorted, in lower case; their text is behind them */
};

int domains_init(struct domains *domains)
{
        int r;

        *domains = (struct domains){};
        r = htable_init(&domains->by_number, 64);
        if (r >= 0)
                r = htable_init(&domains->by_wish, 64);
        return r < 0 ? r : htable_init(&domains->by_suffix, 64);
}

static uint64_t hash_number(uint32_t number)
{
        return htable_hash(&number, sizeof(number));
}

static void domain_free(struct domains *domains, struct domain *domain)
{
        htable_remove(&domains->by_number, &domain->number_link);
        htable_remove(&domains->by_wish, &domain->wish_link);
        for (size_t i = 0; i < domain->n_suffixes; i++)
                htable_remove(&domains->by_suffix, &domain->suffixes[i].link);
        free(domain);
}

void domains_deinit(struct domains *domains)
{
        for (size_t i = 0; i < domains->by_number.n_buckets; i++)
                while (domains->by_number.buckets[i])
                        domain_free(domains, container_of(domains->by_number.buckets[i],
                                                          struct domain, number_link));
        htable_deinit(&domains->by_number);
        htable_deinit(&domains->by_wish);
        htable_deinit(&domains->by_suffix);
}

static struct domain *find_number(struct domains *domains, uint32_t number)
{
        struct domain *domain;

        htable_for_each_match (domain, &domains->by_number, hash_number(number), number_link)
                if (domain->number == number)
                        return domain;
        return NULL;
}

/* FNV-1a of the names. */
static uint32_t wish_of(const struct domain *domain)
{
        uint32_t number = 2166136261U;

        for (size_t i = 0; i < domain->n_suffixes; i++) {
                if (i > 0)
                        number = (number ^ '\n') * 16777619U;
                for (const char *at = domain->suffixes[i].text; *at; at++)
                        number = (number ^ (uint8_t)*at) * 16777619U;
        }
        return number;
}

static int compare_suffixes(const void *a, const void *b)
{
        const struct suffix *first = a, *second = b;

        return strcmp(first->text, second->text);
}

static void sort_suffixes(struct domain *domain)
{
        size_t n = 0;

        qsort(domain->suffixes, domain->n_suffixes, sizeof(*domain->suffixes), compare_suffixes);
        for (size_t i = 0; i < domain->n_suffixes; i++)
                if (n == 0 || compare_suffixes(&domain->suffixes[n - 1], &domain->suffixes[i]) != 0)
                        domain->suffixes[n++] = domain->suffixes[i];
        domain->n_suffixes = n;
}

/* In no table yet. */
static struct domain *domain_new(const char *const *suffixes, size_t n_suffixes)
{
        size_t size = sizeof(struct domain) + n_suffixes * sizeof(struct suffix);
        struct domain *domain;
        char *text;

        for (size_t i = 0; i < n_suffixes; i++)
                size += strlen(suffixes[i]) + 1;
        domain = calloc(1, size);
        if (!domain)
                return NULL;
        *domain = (struct domain){ .n_users = 1, .n_suffixes = n_suffixes };
        text = (char *)&domain->suffixes[n_suffixes];
        for (size_t i = 0; i < n_suffixes; i++) {
                domain->suffixes[i] = (struct suffix){ .domain = domain, .text = text };
                for (const char *from = suffixes[i]; *from; from++)
                        *text++ = (char)tolower((unsigned char)*from);
                *text++ = '\0';
        }
        sort_suffixes(domain);
        domain->wish = wish_of(domain);
        return domain;
}

static bool is_same(const struct domain *a, const struct domain *b)
{
        if (a->n_suffixes != b->n_suffixes)
                return false;
        for (size_t i = 0; i < a->n_suffixes; i++)
                if (strcmp(a->suffixes[i].text, b->suffixes[i].text) != 0)
                        return false;
        return true;
}

static struct domain *find_same(struct domains *domains, const struct domain *wanted)
{
        struct domain *domain;

        htable_for_each_match (domain, &domains->by_wish, hash_number(wanted->wish), wish_link)
                if (is_same(domain, wanted))
                        return domain;
        return NULL;
}

static void add(struct domains *domains, struct domain *domain)
{
        domain->number = domain->wish;
        while (domain->number == 0 || find_number(domains, domain->number))
                domain->number++;
        htable_add(&domains->by_number, &domain->number_link, hash_number(domain->number));
        htable_add(&domains->by_wish, &domain->wish_link, hash_number(domain->wish));
        for (size_t i = 0; i < domain->n_suffixes; i++) {
                struct suffix *suffix = &domain->suffixes[i];

                htable_add(&domains->by_suffix, &suffix->link,
                           htable_hash(suffix->text, strlen(suffix->text)));
        }
}

uint32_t domains_use(struct domains *domains, const char *const *suffixes, size_t n_suffixes,
                     bool *ret_is_new)
{
        struct domain *domain = domain_new(suffixes, n_suffixes), *same;

        if (!domain)
                return 0;
        same = find_same(domains, domain);
        *ret_is_new = !same;
        if (same) {
                free(domain);
                same->n_users++;
                return same->number;
        }
        add(domains, domain);
        return domain->number;
}

void domains_drop(struct domains *domains, uint32_t number)
{
        struct domain *domain = find_number(domains, number);

        if (domain && --domain->n_users == 0)
                domain_free(domains, domain);
}

/* "www.example.org" and "example.org" are below "example.org", "badexample.org" is not. */
void domains_above(const struct domains *domains, const char *name, domains_fn *fn, void *userdata)
{
        while (*name) {
                const char *dot = strchrnul(name, '.');
                struct suffix *suffix;

                htable_for_each_match (suffix, &domains->by_suffix, htable_hash(name, strlen(name)),
                                       link)
                        if (strcmp(suffix->text, name) == 0)
                                fn(suffix->domain->number, userdata);
                name = *dot ? dot + 1 : dot;
        }
}
