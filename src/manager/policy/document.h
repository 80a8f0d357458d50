/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One policy file: a JSON object with the keys of Apple's com.apple.system-extension-policy.
 * What is in a document has been checked, so that questions about it are look-ups.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

/* Keys whose value says something of each team. */
enum policy_list {
        POLICY_ALLOWED_EXTENSIONS,
        POLICY_ALLOWED_TYPES,
        POLICY_REMOVABLE,
        POLICY_NON_REMOVABLE,
        POLICY_NON_REMOVABLE_FROM_UI,
        _POLICY_LIST_MAX,
        _POLICY_LIST_INVALID = -22,
};

struct policy_document {
        bool user_overrides;
        json_t *teams;                   /* allowed whole: array of strings; NULL: none */
        json_t *lists[_POLICY_LIST_MAX]; /* {team: [string]}; NULL: the key is not there */
        json_t *root;                    /* owns what is above */
        char *text;                      /* as it was written */
        char **warnings;                 /* what was read over */
        size_t n_warnings;
};

/*
 * 0; -EBADMSG: it is not such an object, and *ret_problem is where and why
 * ("AllowedSystemExtensions.TEAM: …", caller owns); -ENOMEM. text has to end with a NUL at size.
 */
int policy_document_parse(struct policy_document *ret, const char *text, size_t size,
                          char **ret_problem);
void policy_document_deinit(struct policy_document *document);

/* "AllowedSystemExtensions" */
const char *policy_list_to_string(enum policy_list list);
/* Is item in the team's array? */
bool policy_document_lists(const struct policy_document *document, enum policy_list list,
                           const char *team, const char *item);
bool policy_document_names_team(const struct policy_document *document, enum policy_list list,
                                const char *team);
/* Does it allow everything of the team? */
bool policy_document_allows_team(const struct policy_document *document, const char *team);
/* On which lines that stands; 0: it cannot be said. */
unsigned int policy_document_line_of_team(const struct policy_document *document, const char *team);
unsigned int policy_document_line_of(const struct policy_document *document, enum policy_list list,
                                     const char *team, const char *item);

/* What one says cannot be true beside the other (or within one: give it twice). A sentence, caller
 * owns; NULL: nothing. */
char *policy_documents_contradict(const struct policy_document *one,
                                  const struct policy_document *other);

#define _cleanup_policy_document_ _cleanup_(policy_document_deinit)
