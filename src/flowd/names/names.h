/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Names that the instance's programs resolved, by address: a hint for people, and what
 * rules with a domain match by. Several names can share an address; the last one asked for
 * is shown, and a rule matches if any of them is below its domain.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/htable.h"
#include "base/list.h"
#include "names/domains.h"

struct hooks;

struct names {
        struct hooks *hooks;    /* borrowed */
        struct htable entries;  /* by address */
        struct list ages;       /* name_entry.age, the oldest first */
        struct domains domains; /* in use */
        bool has_new_domains;   /* the rules have not been told yet what is known of them */
        size_t n_entries;
};

int names_init(struct names *names, struct hooks *hooks);
void names_deinit(struct names *names);

/* A program of the instance got address for name. */
void names_learn(struct names *names, const char *name, const struct in6_addr *address,
                 uint32_t ttl_s);
/* The last name learnt for address, borrowed until the next call; NULL if there is none. */
const char *names_find(struct names *names, const struct in6_addr *address);

/* The address that a program got last for that name, in lower case; false: none that counts. */
bool names_find_address(struct names *names, const char *name, struct in6_addr *ret_address);

/* The number by which rules know these domains together; 0 if memory is short. Give it back
 * with names_drop_domain(). */
uint32_t names_use_domains(struct names *names, const char *const *domains, size_t n_domains);
void names_drop_domain(struct names *names, uint32_t number);
/* To be called before what uses new domains is in force: what is known of them by now. */
void names_catch_up(struct names *names);
