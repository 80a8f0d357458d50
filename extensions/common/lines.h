/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What lines of a rule file are made of, whatever they say: statements, keywords with their
 * values, the line's end, settings, and the clauses of a rule. Each function returns 0, -ENOMEM,
 * or RULES_E_INVALID after it said what it expected.
 */

#include "common/values.h"

#define RULES_FILE_MAX (4 * 1024 * 1024) /* bytes */

/* Reads what stands behind keyword, a line's first word; statement is its value in the table. */
typedef int line_statement_fn(const struct word *keyword, int statement, void *userdata);

/* Reads all lines of words, a whole file. A line with a problem is left at the problem, and the
 * next one is read, so that a person sees all of them at once. */
int lines_read(struct words *words, const struct choice *statements,
               line_statement_fn *statement_fn, void *userdata);

/* The word that keyword asks for. */
int line_value(struct words *words, const char *keyword, struct word *ret);
int line_choice(struct words *words, const char *keyword, const struct choice *choices,
                const char *what, int *ret);
int line_end(struct words *words);

/* Notes in seen_line (0 at first) that a setting stands here; a second time is a problem. */
int line_once(struct words *words, const struct word *keyword, unsigned int *seen_line);
/* A whole line: a choice for the file, at most once. */
int line_setting(struct words *words, const struct word *keyword, const struct choice *choices,
                 const char *what, unsigned int *seen_line, int *ret);

extern const struct choice line_loopbacks[];

/* Clauses that a language may have; its table maps words to them. */
enum clause {
        CLAUSE_PROGRAM,
        CLAUSE_PACKAGE,
        CLAUSE_DIGEST,
        CLAUSE_CGROUP,
        CLAUSE_UNIT,
        CLAUSE_STARTED_BY,
        CLAUSE_INODE,
        CLAUSE_SIGNER,
        CLAUSE_USER,
        CLAUSE_TO,
        CLAUSE_PORT,
        CLAUSE_PROTOCOL,
        CLAUSE_LOCAL,
        CLAUSE_LOCAL_PORT,
        CLAUSE_DIRECTION,
};

/* The clauses up to the line's end, in any order, each at most once. */
int line_clauses(struct words *words, const struct choice *clauses, struct match *match);
