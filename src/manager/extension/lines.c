/* SPDX-License-Identifier: Apache-2.0 */

/* A ring of lines. */

#include <string.h>

#include "manager/extension/lines.h"
#include "manager/loop/text.h"

static char **slot_of(const struct lines *lines, size_t number)
{
        return (char **)&lines->ring[number % LINES_MAX];
}

static size_t oldest(const struct lines *lines)
{
        return lines->n_lines > LINES_MAX ? lines->n_lines - LINES_MAX : 0;
}

static void complete(struct lines *lines, lines_fn *fn, void *userdata)
{
        char **slot = slot_of(lines, lines->n_lines);
        char *line;

        lines->partial[lines->partial_size] = '\0';
        lines->partial_size = 0;
        line = text_clean(lines->partial);
        if (!line)
                return;
        if (fn)
                fn(line, userdata);
        free(*slot);
        *slot = line;
        lines->n_lines++;
}

void lines_add(struct lines *lines, const char *bytes, size_t size, lines_fn *fn, void *userdata)
{
        for (size_t i = 0; i < size; i++) {
                if (bytes[i] != '\n')
                        lines->partial[lines->partial_size++] = bytes[i];
                if (bytes[i] == '\n' || lines->partial_size == LINE_SIZE_MAX - 1)
                        complete(lines, fn, userdata);
        }
}

void lines_end(struct lines *lines, lines_fn *fn, void *userdata)
{
        if (lines->partial_size)
                complete(lines, fn, userdata);
}

char *lines_join(const struct lines *lines, size_t n, const char *separator)
{
        size_t first = oldest(lines), size = 1;
        char *text, *at;

        if (lines->n_lines - first > n)
                first = lines->n_lines - n;
        if (first == lines->n_lines)
                return NULL;
        for (size_t i = first; i < lines->n_lines; i++)
                size += strlen(*slot_of(lines, i)) + strlen(separator);
        text = at = malloc(size);
        for (size_t i = first; text && i < lines->n_lines; i++) {
                at = stpcpy(at, *slot_of(lines, i));
                if (i + 1 < lines->n_lines)
                        at = stpcpy(at, separator);
        }
        return text;
}

const char *lines_find(const struct lines *lines, const char *text)
{
        for (size_t i = lines->n_lines; i > oldest(lines); i--) {
                const char *found = strstr(*slot_of(lines, i - 1), text);

                if (found)
                        return found + strlen(text);
        }
        return NULL;
}

void lines_clear(struct lines *lines)
{
        for (size_t i = 0; i < LINES_MAX; i++)
                free(lines->ring[i]);
        *lines = (struct lines){};
}
