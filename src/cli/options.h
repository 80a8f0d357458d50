/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Options come from tables: parsing, help, completion and the guess at what a mistyped
 * one was meant to be all read the same entry.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#define OPTION_LIST_MAX 64

struct option_list {
        const char *items[OPTION_LIST_MAX];
        size_t n_items;
};

/* Exactly one of the targets is set; it keeps its value where the option is absent. */
struct cli_option {
        const char *name;  /* without dashes */
        const char *value; /* what help calls its value; NULL for a switch */
        const char *help;
        const char *const *words; /* the values, or items, there are, up to a NULL; NULL: any */
        int64_t min;
        int64_t max;
        bool *flag;
        const char **string;
        int64_t *number;              /* min to max */
        struct option_list *list;     /* may be given again; a comma separates */
        struct option_list *repeated; /* may be given again; taken whole */
};

/*
 * Takes the options of both tables (each may be NULL) out of words, which keeps the
 * arguments and its NULL. What follows "--" is arguments; with stop_at_argument, what
 * follows the first argument is too. Returns how many are left, or -EINVAL after a complaint.
 */
int options_parse(char **words, const struct cli_option *own, const struct cli_option *global,
                  bool stop_at_argument);

const struct cli_option *option_find(const struct cli_option *options, const char *name,
                                     size_t size);

/* Of several words the one nearest to what was typed. */
struct nearest {
        const char *typed;
        const char *best; /* borrowed; NULL if nothing comes close */
        size_t size;      /* of best */
        size_t distance;
};

void nearest_init(struct nearest *nearest, const char *typed);
/* candidate: its first size bytes. */
void nearest_offer(struct nearest *nearest, const char *candidate, size_t size);
