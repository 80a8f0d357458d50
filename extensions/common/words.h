/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A rule file as lines of words, each with its position. */

#include <stdbool.h>
#include <stddef.h>

#include "common/problems.h"

#define WORD_MAX        1023 /* bytes; what a message to the engine carries */
#define WORD_SHOWN_SIZE 64

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
        struct problems *problems; /* borrowed */
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
