/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The last lines of a text that comes in pieces. */

#include <stddef.h>

#define LINES_MAX     64
#define LINE_SIZE_MAX 256 /* longer ones are cut into several */

/* A line is complete; it is made harmless (loop/text.h). */
typedef void lines_fn(const char *line, void *userdata);

struct lines {
        char *ring[LINES_MAX];
        size_t n_lines; /* ever */
        char partial[LINE_SIZE_MAX];
        size_t partial_size;
};

/* fn: told of each line that these bytes complete; may be NULL. */
void lines_add(struct lines *lines, const char *bytes, size_t size, lines_fn *fn, void *userdata);
/* There is no more: what has no end is a line, too. */
void lines_end(struct lines *lines, lines_fn *fn, void *userdata);
/* The last n, oldest first, with a separator between them. Caller owns; NULL: there are none. */
char *lines_join(const struct lines *lines, size_t n, const char *separator);
/* The last that begins somewhere with text, after it; borrowed; NULL: there is none. */
const char *lines_find(const struct lines *lines, const char *text);
void lines_clear(struct lines *lines);
