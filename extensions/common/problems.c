/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Problems are collected while a file is read, so that a person sees all of them (the
 * first ten) at once, and told when its reader has said what becomes of it.
 */

#include <stdarg.h>
#include <stdio.h>

#include "common/problems.h"

#define SENTENCE_SIZE 1024

void problems_add(struct problems *problems, struct position at, const char *format, ...)
{
        struct problem *problem;
        va_list args;

        if (problems->n++ >= PROBLEMS_MAX)
                return;
        problem = &problems->first[problems->n - 1];
        problem->at = at;
        va_start(args, format);
        vsnprintf(problem->text, sizeof(problem->text), format, args);
        va_end(args);
}

static void tell_one(const struct problem *problem, const char *path, const char *remark,
                     problems_tell_fn *tell, void *userdata)
{
        char sentence[SENTENCE_SIZE];

        snprintf(sentence, sizeof(sentence), "%s:%u:%u: %s%s", path, problem->at.line,
                 problem->at.column, problem->text, remark);
        tell(sentence, userdata);
}

void problems_tell_each(const struct problems *problems, const char *path, problems_tell_fn *tell,
                        void *userdata)
{
        for (size_t i = 0; i < problems->n && i < PROBLEMS_MAX; i++)
                tell_one(&problems->first[i], path, "", tell, userdata);
}

void problems_tell(const struct problems *problems, const char *path, const char *outcome,
                   problems_tell_fn *tell, void *userdata)
{
        char remark[96];

        if (problems->n > 1)
                problems_tell_each(problems, path, tell, userdata);
        if (problems->n > 1)
                snprintf(remark, sizeof(remark), " (the first of %zu problems)%s", problems->n,
                         outcome);
        else
                snprintf(remark, sizeof(remark), "%s", outcome);
        tell_one(&problems->first[0], path, remark, tell, userdata);
}
