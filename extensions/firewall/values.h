/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What stands behind a keyword: numbers, ports, users, networks, domains and choices.
 * Each function returns 0, -ENOMEM, or RULES_E_INVALID after it said what it expected.
 */

#include "firewall/rules.h"

/* A word that can stand in one place; an array of them ends with a NULL word. */
struct choice {
        const char *word;
        int value;
};

/* what: "a protocol", for the message. */
int value_choice(const struct word *word, const struct choice *choices, const char *what,
                 struct problems *problems, int *ret);

int value_program(const struct word *word, struct rule *rule, struct problems *problems);
int value_user(const struct word *word, struct rule *rule, struct problems *problems);
int value_port(const struct word *word, struct rule *rule, struct problems *problems);
int value_domain(const struct word *word, struct rule *rule, struct problems *problems);
/* "*", an address, a network, or a domain that has a dot. */
int value_destination(const struct word *word, struct rule *rule, struct problems *problems);
