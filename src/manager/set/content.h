/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is in a set of destinations, and the text that says so: one network, address or
 * domain a line, with # comments.
 */

#include <netinet/in.h>
#include <stdint.h>

#include "base/cleanup.h"

#define SET_ENTRIES_MAX 100000

#define SET_DOMAIN_SIZE 254 /* of the longest, with its NUL (RFC 1035) */

struct set_entry {
        char *domain; /* owned, in lower case; NULL: a network */
        struct in6_addr network;
        uint8_t prefix; /* of the 128 bits of the mapped form */
};

struct set_content {
        struct set_entry *entries;
        size_t n_entries;
        size_t n_domains;
        size_t size; /* what it costs to keep it and to tell flowd, in bytes; see SETS_SIZE_MAX */
};

/*
 * Adds what stands in the number-th line, if anything does. 0; -EBADMSG where it is not
 * understood or -E2BIG where it is one too many, with "LINE:COLUMN: sentence" in *ret_problem
 * and nothing added; -ENOMEM.
 */
int set_content_add(struct set_content *content, const char *line, unsigned int number,
                    char **ret_problem);
void set_content_deinit(struct set_content *content);

/* The entry as a line says it. buffer: SET_DOMAIN_SIZE bytes. Returns buffer. */
const char *set_entry_to_string(const struct set_entry *entry, char *buffer);

#define _cleanup_set_content_ _cleanup_(set_content_deinit)
