/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A rule file as lines of words, each with its position, and the problems that were
 * found in it. Columns count characters of UTF-8 from 1, as editors do.
 */

#include <stdbool.h>
#include <stddef.h>

#define WORD_MAX         1023 /* bytes; what a message to the engine carries */
#define WORD_SHOWN_SIZE  64
#define PROBLEMS_MAX     10
#define PROBLEM_TEXT_MAX 320

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

struct word {
        struct position at;
        bool quoted; /* a quoted word is a value, never a keyword */
        char text[WORD_MAX + 1];
};

bool word_is(const struct word *word, const char *keyword);
/* The word as messages quote it: printable, cut where it is long. Returns buffer. */
const char *word_show(const struct word *word, char buffer[WORD_SHOWN_SIZE]);

struct words {
        const char *at, *end; /* borrowed */
        const char *line_start;
        unsigned int line;
        struct problems *problems;
};

void words_init(struct words *words, const char *text, size_t size, struct problems *problems);
/* Skips what is left of this line. False behind the last one. */
bool words_next_line(struct words *words);

enum {
        WORDS_END,       /* no more words in this line; ret->at is behind the last one */
        WORDS_WORD,      /* one more */
        WORDS_E_INVALID, /* the problem was added */
};

int words_next(struct words *words, struct word *ret);
