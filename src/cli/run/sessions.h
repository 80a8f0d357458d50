/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The sessions of a run, as its command line names them. */

#include <netext/netext.h>

#include "cli/options.h"

struct run_session {
        char *extension;
        enum nx_provider_kind kind; /* 0: the only one that it provides */
        char *rules;                /* NULL: none */
};

struct run_sessions {
        struct run_session items[OPTION_LIST_MAX + 1]; /* in their order */
        size_t n_items;
        bool has_own_firewall; /* items[0], which only --rules named */
};

/* words: EXTENSION[:KIND][=RULES]. rules: NULL, or those of the firewall, which is then one of
 * them. 0, or -1 after a complaint. */
int run_sessions_read(struct run_sessions *sessions, const struct option_list *words,
                      const char *rules);
void run_sessions_deinit(struct run_sessions *sessions);
/* 0, or -1 after a complaint. */
int run_sessions_start(const struct run_sessions *sessions, const char *instance,
                       const char *fail_policy);
