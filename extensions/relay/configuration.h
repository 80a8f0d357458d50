/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the session's files say: the rules in force, and the credentials that they name. A
 * file counts as a whole; one that is at fault fails the start, or leaves the old in force.
 */

#include <netext/proxy.h>

#include "relay/rule/rules.h"
#include "relay/secrets.h"

#define PATH_SIZE 512 /* for messages */

struct configuration;
typedef void configuration_changed_fn(struct configuration *configuration, void *userdata);

struct configuration {
        struct rules *rules; /* owned; in force. NULL before the first were applied */
        char *text;          /* owned: the newest file without a problem, or the first */
        size_t size;
        struct secrets secrets;
        bool has_file, started;
        char path[PATH_SIZE];
        int result; /* of the newest rule file: 0, a negative errno, or RULES_E_INVALID */
        struct problems problems, remarks;
        unsigned int n_applies;            /* not answered yet */
        configuration_changed_fn *changed; /* other rules are in force */
        void *userdata;
};

void configuration_init(struct configuration *configuration, configuration_changed_fn *changed,
                        void *userdata);
void configuration_deinit(struct configuration *configuration);

void configuration_handle_file(struct configuration *configuration, struct nx_proxy *proxy,
                               const char *name, const char *path, int fd);
/* 0, or a negative errno after it was reported why. */
int configuration_start(struct configuration *configuration, struct nx_proxy *proxy);
/* NULL for an upstream that has none. */
const struct credentials *configuration_credentials(const struct configuration *configuration,
                                                    const struct upstream *upstream);
