/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Named sets of destinations: networks and domains that rules mean by one name. netextd
 * says what is in them; a rule may name one that is not there, and matches nothing until
 * it is.
 */

#include <netinet/in.h>
#include <stdint.h>

#include "base/htable.h"

struct hooks;
struct names;
struct set_content;

struct sets {
        struct hooks *hooks;      /* borrowed */
        struct names *names;      /* borrowed */
        struct htable by_name;    /* set.name_link */
        struct htable by_number;  /* set.number_link */
        struct list sets;         /* set.link */
        struct set_content *next; /* of the set that is being put; NULL: none */
};

int sets_init(struct sets *sets, struct hooks *hooks, struct names *names);
void sets_deinit(struct sets *sets);

/* The number by which rules know the set; 0 if memory is short. Give it back with sets_drop(). */
uint32_t sets_use(struct sets *sets, const char *name);
void sets_drop(struct sets *sets, uint32_t number);

/* The set's new content begins. An earlier one that was not committed is forgotten. */
int sets_begin(struct sets *sets, const char *name);
/* Each 0, -ENOMEM, or -EBADMSG where nothing was begun or the prefix is none. */
int sets_add_network(struct sets *sets, const struct in6_addr *address, unsigned int prefix);
int sets_add_domain(struct sets *sets, const char *domain);
/* Puts it in force as one. 0, -EBADMSG as above, or why the old content stays. */
int sets_commit(struct sets *sets);
void sets_remove(struct sets *sets, const char *name);

/* All sets are going to be put once more: what is not put until sets_keep() goes then. */
void sets_expect(struct sets *sets);
void sets_keep(struct sets *sets);

/* 0 if the content that was put last is in force, -ENOENT if there is none, or why not. */
int sets_check(struct sets *sets, const char *name);
