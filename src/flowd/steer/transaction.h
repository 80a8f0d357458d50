/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One nftables transaction on one table of the inet family: all of it is in force, or
 * nothing. libnftnl's objects, wrapped once. Memory that is too short for one of them aborts:
 * half of a batch would be worse than none. For flowd's loop, and no other thread.
 */

#include <libnftnl/rule.h>
#include <stdbool.h>
#include <stdint.h>

struct mnl_nlmsg_batch;

/* Under construction, for as long as transact() calls put. */
struct transaction {
        const char *table;
        const void *userdata;
        struct mnl_nlmsg_batch *batch;
        uint32_t sequence;
        uint32_t last_set;
        bool is_too_large;
};

typedef void transaction_fn(struct transaction *t);

/* Sends what put puts. 0 or a negative errno (-E2BIG: more than a transaction can hold): nothing is
 * changed. */
int transact(const char *table, transaction_fn *put, const void *userdata);

void put_table(struct transaction *t);
void put_table_removal(struct transaction *t);

/* A chain that only others jump to. */
void put_chain(struct transaction *t, const char *name);
/* type: "filter", or "route" where a changed mark shall choose another route. */
void put_base_chain(struct transaction *t, const char *name, const char *type, uint32_t hook,
                    int32_t priority);

/* Elements are added by rules and expire. key_type: libnftables' numbers, for nft(8). */
struct expiring_set {
        const char *name;
        uint32_t key_type;
        uint32_t key_size;
        uint32_t max_elements;
        uint64_t timeout_ms;
};

void put_set(struct transaction *t, const struct expiring_set *set);

struct nftnl_rule *rule_begin(struct transaction *t, const char *chain);
/* Appends it; takes it over. */
void rule_end(struct transaction *t, struct nftnl_rule *rule);
/* All rules of all chains. */
void put_rules_removal(struct transaction *t);
