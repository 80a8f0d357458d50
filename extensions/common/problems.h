/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is wrong with a file, and where. Columns count characters of UTF-8 from 1, as
 * editors do.
 *
 * Outcomes besides 0 and a negative errno, of whatever looks at a file:
 *   RULES_E_INVALID  the file is at fault, and the problems say where
 */

#include <stddef.h>

#define PROBLEMS_MAX     10
#define PROBLEM_TEXT_MAX 320

enum {
        RULES_E_INVALID = 1,
};

struct position {
        unsigned int line, column;
};

struct problem {
        struct position at;
        char text[PROBLEM_TEXT_MAX];
};

struct problems {
        size_t n; /* all of them; the first PROBLEMS_MAX are kept */
        struct problem first[PROBLEMS_MAX];
};

/* What is wrong and what is expected, in one sentence without a full stop. */
void problems_add(struct problems *problems, struct position at, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

typedef void problems_tell_fn(const char *sentence, void *userdata);

/* Each that is kept, in the file's order, as "PATH:LINE:COLUMN: TEXT". */
void problems_tell_each(const struct problems *problems, const char *path, problems_tell_fn *tell,
                        void *userdata);
/* Each problem in the file's order, as "PATH:LINE:COLUMN: TEXT", and the first one again at
 * last, where it is kept, with outcome behind it. There has to be one. */
void problems_tell(const struct problems *problems, const char *path, const char *outcome,
                   problems_tell_fn *tell, void *userdata);
