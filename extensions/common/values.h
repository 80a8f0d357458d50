/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What stands behind a keyword: numbers, ports, users, networks, domains and choices.
 * Each function returns 0, -ENOMEM, or RULES_E_INVALID after it said what it expected.
 */

#include "common/match.h"

/* A word that can stand in one place; an array of them ends with a NULL word. */
struct choice {
        const char *word;
        int value;
};

/* what: "a protocol", for the message. */
int value_choice(const struct word *word, const struct choice *choices, const char *what,
                 struct problems *problems, int *ret);

int value_program(const struct word *word, struct match *match, struct problems *problems);
int value_package(const struct word *word, struct match *match, struct problems *problems);
int value_digest(const struct word *word, struct match *match, struct problems *problems);
int value_cgroup(const struct word *word, struct match *match, struct problems *problems);
int value_unit(const struct word *word, struct match *match, struct problems *problems);
int value_started_by(const struct word *word, struct match *match, struct problems *problems);
int value_inode(const struct word *word, struct match *match, struct problems *problems);
int value_signer(const struct word *word, struct match *match, struct problems *problems);
int value_user(const struct word *word, struct match *match, struct problems *problems);
int value_port(const struct word *word, struct match *match, struct problems *problems);
int value_domain(const struct word *word, struct match *match, struct problems *problems);
int value_local_port(const struct word *word, struct match *match, struct problems *problems);
/* An address or a network. */
int value_local(const struct word *word, struct match *match, struct problems *problems);
/* "*", an address, a network, a set, or a domain that has a dot. */
int value_destination(const struct word *word, struct match *match, struct problems *problems);

/* A number from min to max. what: "a number of seconds", for the message. */
int value_number(const struct word *word, uint32_t min, uint32_t max, const char *what,
                 struct problems *problems, uint32_t *ret);
/* For words that are made of several values. Decimal digits up to max, and nothing else. */
bool value_parse_number(const char *text, size_t length, uint32_t max, uint32_t *ret);
/* "'WORD' TEXT" as a problem where the word stands. RULES_E_INVALID. */
int value_refuse(const struct word *word, struct problems *problems, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
