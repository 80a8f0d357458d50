/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an administrator wants of a session. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

#define CONFIGURATION_FILES_MAX 16

struct configured_file {
        char *name; /* what the extension calls it */
        char *path; /* absolute */
};

struct configuration {
        char *extension;  /* absolute path of the executable */
        char *identifier; /* NULL: whatever the extension calls itself */
        char *name;       /* of the session; NULL: the extension's identifier */
        uid_t user;       /* who started it */
        int32_t order;
        int kind;        /* enum nx_provider_kind; 0: the one that the extension provides */
        int grade;       /* enum nx_filter_grade; 0: none was given */
        int fail_policy; /* enum wire_fail_policy */
        uint32_t verdict_timeout_ms;
        uint32_t ready_timeout_ms;
        struct configured_file files[CONFIGURATION_FILES_MAX];
        size_t n_files;
};

/* All defaults. */
void configuration_init(struct configuration *configuration);
void configuration_deinit(struct configuration *configuration);
#define _cleanup_configuration_ _cleanup_(configuration_deinit)

/* Each 0, or negative errno with the sentence for people in *ret_problem (caller owns). */

/* extension: an absolute path, or the identifier of one that came with netext, in folder. */
int configuration_set_extension(struct configuration *configuration, const char *folder,
                                const char *extension, char **ret_problem);
/* One that was activated: its identifier, with dots, and the program of its present copy. */
int configuration_set_installed(struct configuration *configuration, const char *identifier,
                                const char *executable);
bool configuration_is_installed(const struct configuration *configuration);
int configuration_set_name(struct configuration *configuration, const char *name,
                           char **ret_problem);
int configuration_set_kind(struct configuration *configuration, const char *word,
                           char **ret_problem);
int configuration_set_grade(struct configuration *configuration, const char *word,
                            char **ret_problem);
int configuration_set_fail_policy(struct configuration *configuration, const char *word,
                                  char **ret_problem);
/* 0: leave the default. */
int configuration_set_timeout(uint32_t *timeout_ms, const char *key, uint32_t value,
                              char **ret_problem);
int configuration_add_file(struct configuration *configuration, const char *name, const char *path,
                           char **ret_problem);
/* A grade is for filters only. */
int configuration_check_grade(const struct configuration *configuration, int kind,
                              char **ret_problem);
/* Complete, and everything it names is there? */
int configuration_check(const struct configuration *configuration, char **ret_problem);
