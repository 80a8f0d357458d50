/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What came of the checks: for each, in their order, that it passed, that it was not come to,
 * or what is wrong, with the file and the key.
 */

#include <stdbool.h>
#include <stddef.h>

#include "bundle/check.h"
#include "wire/names.h"

struct bundle_finding {
        enum bundle_check check;
        enum wire_check_result result;
        char *file; /* in the bundle, or NULL */
        char *key;  /* in the file: "endpoints[0].name", "line 7", or NULL */
        char *text; /* a sentence: what is wrong and what to do; what is so where it passed */
};

#define BUNDLE_FINDINGS_MAX 1024

/* What is wrong in more than so many places is said of the first ones, and counted. */
#define BUNDLE_PROBLEMS_MAX 8

struct bundle_report {
        struct bundle_finding *findings;
        size_t n_findings;
        size_t n_failed;
        size_t n_warned;
        bool asked[_BUNDLE_CHECK_MAX];            /* between making and finishing */
        unsigned int problems[_BUNDLE_CHECK_MAX]; /* of each */
        bool incomplete;                          /* there was no memory for all of it */
};

void bundle_report_deinit(struct bundle_report *report);

/* file, key: borrowed, may be NULL. */
void bundle_report_fail(struct bundle_report *report, enum bundle_check check, const char *file,
                        const char *key, const char *format, ...)
        __attribute__((format(printf, 5, 6)));
void bundle_report_warn(struct bundle_report *report, enum bundle_check check, const char *file,
                        const char *key, const char *format, ...)
        __attribute__((format(printf, 5, 6)));
/* The checks from first to last were made; those without a problem have passed. */
void bundle_report_asked(struct bundle_report *report, enum bundle_check first,
                         enum bundle_check last);
/* Puts the checks from first to last in order; those that were not made are skipped. 0, or
 * -ENOMEM. */
int bundle_report_finish(struct bundle_report *report, enum bundle_check first,
                         enum bundle_check last);

/* For who reads one from elsewhere. Copies; 0, -ENOMEM, or -E2BIG. */
int bundle_report_add(struct bundle_report *report, const struct bundle_finding *finding);

/* Nothing failed, and nothing was left out. */
bool bundle_report_is_good(const struct bundle_report *report);
/* The first that failed, or NULL: its code is the request's. */
const struct bundle_finding *bundle_report_failure(const struct bundle_report *report);
