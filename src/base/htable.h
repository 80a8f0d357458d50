/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Intrusive chained hash table that grows. It knows hashes, not keys: the user walks the
 * bucket and compares. Hashes are seeded per process, so a peer cannot choose collisions.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct htable_link {
        struct htable_link *next;
        struct htable_link **previous; /* what points here; NULL while it is in no table */
        uint64_t hash;
};

struct htable {
        struct htable_link **buckets;
        size_t n_buckets; /* a power of two */
        size_t n_items;
};

/* 0, or -ENOMEM. */
int htable_init(struct htable *table, size_t n_buckets);
/* Frees the buckets; items are their owners'. */
void htable_deinit(struct htable *table);

/* Never fails: a table that cannot grow gets longer chains. */
void htable_add(struct htable *table, struct htable_link *link, uint64_t hash);
/* Fine on a link that is zero or was removed. */
void htable_remove(struct htable *table, struct htable_link *link);
/* The first link with this hash after previous (NULL: the first), or NULL. */
struct htable_link *htable_next(const struct htable *table, uint64_t hash,
                                const struct htable_link *previous);

/* Seeded hash of size bytes. */
uint64_t htable_hash(const void *bytes, size_t size);

#define htable_for_each_match(item, table, wanted, member)                                         \
        for (struct htable_link *_link = htable_next(table, wanted, NULL);                         \
             _link && ((item) = container_of(_link, __typeof__(*(item)), member), true);           \
             _link = htable_next(table, wanted, _link))
