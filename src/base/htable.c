/* SPDX-License-Identifier: Apache-2.0 */

/* Hash table for the flow path: no allocation per item, doubling when it is full. */

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include "base/htable.h"

int htable_init(struct htable *table, size_t n_buckets)
{
        *table = (struct htable){ .n_buckets = n_buckets };
        table->buckets = calloc(n_buckets, sizeof(*table->buckets));
        return table->buckets ? 0 : -ENOMEM;
}

void htable_deinit(struct htable *table)
{
        free(table->buckets);
        *table = (struct htable){};
}

static struct htable_link **bucket_of(const struct htable *table, uint64_t hash)
{
        return &table->buckets[hash & (table->n_buckets - 1)];
}

static void put_at(struct htable_link **at, struct htable_link *link)
{
        link->next = *at;
        link->previous = at;
        *at = link;
        if (link->next)
                link->next->previous = &link->next;
}

/* The last comes first: put at the head in this order, equal hashes keep theirs. */
static struct htable_link *turn(struct htable_link *link)
{
        struct htable_link *turned = NULL, *next;

        for (; link; link = next) {
                next = link->next;
                link->next = turned;
                turned = link;
        }
        return turned;
}

static void htable_grow(struct htable *table)
{
        struct htable bigger;

        if (htable_init(&bigger, table->n_buckets * 2) < 0)
                return;
        for (size_t i = 0; i < table->n_buckets; i++) {
                struct htable_link *link = turn(table->buckets[i]), *next;

                for (; link; link = next) {
                        next = link->next;
                        put_at(bucket_of(&bigger, link->hash), link);
                }
        }
        bigger.n_items = table->n_items;
        htable_deinit(table);
        *table = bigger;
}

void htable_add(struct htable *table, struct htable_link *link, uint64_t hash)
{
        if (table->n_items >= table->n_buckets)
                htable_grow(table);
        link->hash = hash;
        put_at(bucket_of(table, hash), link);
        table->n_items++;
}

void htable_remove(struct htable *table, struct htable_link *link)
{
        if (!link->previous)
                return;
        *link->previous = link->next;
        if (link->next)
                link->next->previous = link->previous;
        *link = (struct htable_link){};
        table->n_items--;
}

struct htable_link *htable_next(const struct htable *table, uint64_t hash,
                                const struct htable_link *previous)
{
        struct htable_link *link = previous ? previous->next : *bucket_of(table, hash);

        while (link && link->hash != hash)
                link = link->next;
        return link;
}

static uint64_t mix(uint64_t value)
{
        value ^= value >> 32;
        value *= 0xd6e8feb86659fd93ULL;
        value ^= value >> 32;
        value *= 0xd6e8feb86659fd93ULL;
        return value ^ value >> 32;
}

uint64_t htable_hash(const void *bytes, size_t size)
{
        static uint64_t seed;
        const uint8_t *at = bytes;
        uint64_t hash;

        if (!seed)
                (void)!getrandom(&seed, sizeof(seed), 0);
        hash = seed ^ size;
        for (; size > 0; at += 8) {
                size_t n = size < 8 ? size : 8;
                uint64_t word = 0;

                memcpy(&word, at, n);
                hash = mix(hash ^ word) + seed;
                size -= n;
        }
        return hash;
}
