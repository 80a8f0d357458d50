/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the administrator allows: all policy files together. Where they differ the stricter one
 * counts, so it does not matter in which order they came.
 */

#include <stdint.h>

#include "base/list.h"
#include "manager/policy/document.h"

struct policy_file {
        struct list link; /* policy.files, by name */
        char *name;       /* "10-office.json" */
        struct policy_document document;
        uint64_t since_ns; /* CLOCK_REALTIME: when it came into force; 0: it never did */
        char *problem;     /* why its present content is not in force; NULL: it is */
        bool is_kept;      /* what is in force is written down for the next netextd */
};

struct policy {
        struct list files; /* policy_file.link */
};

/* What is to be judged. */
struct policy_subject {
        const char *team;
        const char *identifier;
        const char *category; /* of the manifest: "network" */
};

/* Whether an extension may be enabled. */
enum policy_answer {
        POLICY_ASK,     /* an administrator has to approve it */
        POLICY_ALLOWED, /* it needs nobody's approval */
        POLICY_FORBIDDEN,
};

enum policy_action {
        POLICY_REMOVE,                /* deactivate */
        POLICY_DISABLE,               /* and enable again later */
        POLICY_DISABLE_CONFIGURATION, /* of one of its providers */
        POLICY_STOP_SESSION,
        _POLICY_ACTION_MAX,
};

enum policy_caller {
        POLICY_USER, /* without an administrator's authority */
        POLICY_ADMINISTRATOR,
        _POLICY_CALLER_MAX,
};

/* Each writes in *ret_why, unless that is NULL, the sentence that names file and key; caller owns,
 * NULL where no file says anything. */
enum policy_answer policy_judge(const struct policy *policy, const struct policy_subject *subject,
                                char **ret_why);
/* 0; -EPERM: nobody may, by policy; -EACCES: an administrator may. */
int policy_permit(const struct policy *policy, const struct policy_subject *subject,
                  enum policy_action action, enum policy_caller caller, char **ret_why);

/* Where a file says that something is so. */
struct policy_place {
        const char *file;  /* "10-office.json"; borrowed from the policy */
        char key[80];      /* "AllowedSystemExtensions.TEAM" */
        unsigned int line; /* 0: it cannot be said */
};

/* What has policy_judge() say POLICY_ALLOWED. False: nothing does. */
bool policy_find_allowance(const struct policy *policy, const struct policy_subject *subject,
                           struct policy_place *ret);

/* Does any file say anything of it? */
bool policy_mentions(const struct policy *policy, const char *team, const char *identifier);

void policy_init(struct policy *policy);
void policy_deinit(struct policy *policy);

/* The file of that name, made where it is not there; NULL: no memory. */
struct policy_file *policy_get_file(struct policy *policy, const char *name);
/* What it says that cannot be true beside another file. Caller owns; NULL: nothing. */
char *policy_file_contradicts(const struct policy *policy, const struct policy_file *file);
struct policy_file *policy_file_free(struct policy_file *file);
