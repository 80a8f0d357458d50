/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Findings come as they are found, and are put in the order of the checks at the end. Each
 * check says at most BUNDLE_PROBLEMS_MAX problems, then how many more there are: a folder of
 * 4096 odd names makes a short report.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bundle/report.h"

static void finding_deinit(struct bundle_finding *finding)
{
        free(finding->file);
        free(finding->key);
        free(finding->text);
        *finding = (struct bundle_finding){};
}

void bundle_report_deinit(struct bundle_report *report)
{
        for (size_t i = 0; i < report->n_findings; i++)
                finding_deinit(&report->findings[i]);
        free(report->findings);
        *report = (struct bundle_report){};
}

static int grow(struct bundle_report *report)
{
        size_t n = report->n_findings;
        void *grown;

        if (n >= BUNDLE_FINDINGS_MAX)
                return -E2BIG;
        if (n & (n - 1))
                return 0;
        grown = reallocarray(report->findings, n ? 2 * n : 1, sizeof(*report->findings));
        if (!grown)
                return -ENOMEM;
        report->findings = grown;
        return 0;
}

int bundle_report_add(struct bundle_report *report, const struct bundle_finding *finding)
{
        struct bundle_finding copy = {
                .check = finding->check,
                .result = finding->result,
                .file = finding->file ? strdup(finding->file) : NULL,
                .key = finding->key ? strdup(finding->key) : NULL,
                .text = finding->text ? strdup(finding->text) : NULL,
        };
        int r = grow(report);

        if (r >= 0 && ((finding->file && !copy.file) || (finding->key && !copy.key) ||
                       (finding->text && !copy.text)))
                r = -ENOMEM;
        if (r < 0) {
                finding_deinit(&copy);
                return r;
        }
        report->findings[report->n_findings++] = copy;
        report->n_failed += finding->result == WIRE_CHECK_FAILED;
        report->n_warned += finding->result == WIRE_CHECK_WARNED;
        return 0;
}

static bool is_same(const char *one, const char *other)
{
        return one == other || (one && other && strcmp(one, other) == 0);
}

static bool is_said(const struct bundle_report *report, const struct bundle_finding *finding)
{
        for (size_t i = 0; i < report->n_findings; i++) {
                const struct bundle_finding *said = &report->findings[i];

                if (said->check == finding->check && is_same(said->file, finding->file) &&
                    is_same(said->key, finding->key) && is_same(said->text, finding->text))
                        return true;
        }
        return false;
}

static void add_problem(struct bundle_report *report, struct bundle_finding *finding,
                        const char *format, va_list args)
{
        _cleanup_free_ char *text = NULL;

        if (report->problems[finding->check] >= BUNDLE_PROBLEMS_MAX) {
                report->problems[finding->check]++;
                return;
        }
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        finding->text = text;
        if (text && is_said(report, finding))
                return;
        report->problems[finding->check]++;
        if (!text || bundle_report_add(report, finding) < 0)
                report->incomplete = true;
}

void bundle_report_fail(struct bundle_report *report, enum bundle_check check, const char *file,
                        const char *key, const char *format, ...)
{
        struct bundle_finding finding = { check, WIRE_CHECK_FAILED, (char *)file, (char *)key,
                                          NULL };
        va_list args;

        va_start(args, format);
        add_problem(report, &finding, format, args);
        va_end(args);
}

void bundle_report_warn(struct bundle_report *report, enum bundle_check check, const char *file,
                        const char *key, const char *format, ...)
{
        struct bundle_finding finding = { check, WIRE_CHECK_WARNED, (char *)file, (char *)key,
                                          NULL };
        va_list args;

        va_start(args, format);
        add_problem(report, &finding, format, args);
        va_end(args);
}

void bundle_report_asked(struct bundle_report *report, enum bundle_check first,
                         enum bundle_check last)
{
        for (unsigned int check = first; check <= last; check++)
                report->asked[check] = true;
}

static int conclude(struct bundle_report *report, enum bundle_check check)
{
        unsigned int n = report->problems[check];
        char more[64];

        if (n == 0)
                return bundle_report_add(
                        report, &(struct bundle_finding){
                                        .check = check,
                                        .result = report->asked[check] ? WIRE_CHECK_PASSED
                                                                       : WIRE_CHECK_SKIPPED,
                                        .text = (char *)bundle_check_meaning(check) });
        if (n <= BUNDLE_PROBLEMS_MAX)
                return 0;
        snprintf(more, sizeof(more), "the same in %u more places", n - BUNDLE_PROBLEMS_MAX);
        for (size_t i = 0; i < report->n_findings; i++)
                if (report->findings[i].check == check)
                        return bundle_report_add(
                                report,
                                &(struct bundle_finding){ .check = check,
                                                          .result = report->findings[i].result,
                                                          .text = more });
        return 0;
}

/* Insertion: stable, and there are few. */
static void sort(struct bundle_report *report)
{
        struct bundle_finding *findings = report->findings;

        for (size_t i = 1; i < report->n_findings; i++) {
                struct bundle_finding moved = findings[i];
                size_t to = i;

                for (; to > 0 && findings[to - 1].check > moved.check; to--)
                        findings[to] = findings[to - 1];
                findings[to] = moved;
        }
}

int bundle_report_finish(struct bundle_report *report, enum bundle_check first,
                         enum bundle_check last)
{
        for (unsigned int check = first; check <= last; check++)
                if (conclude(report, check) < 0)
                        report->incomplete = true;
        sort(report);
        return report->incomplete ? -ENOMEM : 0;
}

bool bundle_report_is_good(const struct bundle_report *report)
{
        return report->n_findings > 0 && report->n_failed == 0 && !report->incomplete;
}

const struct bundle_finding *bundle_report_failure(const struct bundle_report *report)
{
        for (size_t i = 0; i < report->n_findings; i++)
                if (report->findings[i].result == WIRE_CHECK_FAILED)
                        return &report->findings[i];
        return NULL;
}
