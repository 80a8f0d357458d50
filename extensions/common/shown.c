/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The file may be anybody's: what is no printable ASCII of it, nor UTF-8, is shown as a question
 * mark, and a tab as a blank, so that the caret stands where the problem is.
 */

#include <stdbool.h>
#include <string.h>

#include "common/shown.h"

/* The line without its end; the last one, if there are fewer. */
static const char *find_line(const char *text, size_t size, unsigned int line, size_t *ret_size)
{
        const char *at = text, *end = text + size, *newline;

        while (--line > 0 && (newline = memchr(at, '\n', (size_t)(end - at))))
                at = newline + 1;
        newline = memchr(at, '\n', (size_t)(end - at));
        *ret_size = (size_t)((newline ? newline : end) - at);
        return at;
}

/* C1 control characters begin with 0xc2 and are two bytes. */
static void show_line(FILE *out, const char *line, size_t size)
{
        fputs("  ", out);
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char)line[i];
                bool is_control = c < ' ' || c == 0x7f ||
                                  (c == 0xc2 && i + 1 < size && (unsigned char)line[i + 1] < 0xa0);

                if (c == '\r' && i + 1 == size)
                        break;
                if (!is_control) {
                        fputc(c, out);
                        continue;
                }
                fputc(c == '\t' ? ' ' : '?', out);
                i += c == 0xc2;
        }
        fputc('\n', out);
}

static void show_caret(FILE *out, unsigned int column)
{
        fprintf(out, "  %*s\n", (int)column, "^");
}

static void show_one(FILE *out, const struct problem *problem, const char *path, const char *text,
                     size_t size)
{
        size_t line_size;
        const char *line = find_line(text, size, problem->at.line, &line_size);

        fprintf(out, "%s:%u:%u: %s\n", path, problem->at.line, problem->at.column, problem->text);
        show_line(out, line, line_size);
        show_caret(out, problem->at.column);
}

void problems_show(FILE *out, const struct problems *problems, const char *path, const char *text,
                   size_t size)
{
        for (size_t i = 0; i < problems->n && i < PROBLEMS_MAX; i++)
                show_one(out, &problems->first[i], path, text, size);
        if (problems->n > PROBLEMS_MAX)
                fprintf(out, "%s: %zu more problems\n", path, problems->n - PROBLEMS_MAX);
}

/* What is no UTF-8 would be no JSON; sentences have only bytes of words that were shown safely. */
static void show_string(FILE *out, const char *text)
{
        fputc('"', out);
        for (; *text; text++) {
                unsigned char c = (unsigned char)*text;

                if (c == '"' || c == '\\')
                        fprintf(out, "\\%c", c);
                else if (c < ' ' || c == 0x7f)
                        fprintf(out, "\\u%04x", c);
                else
                        fputc(c, out);
        }
        fputc('"', out);
}

static void show_list(FILE *out, const char *key, const struct problems *problems)
{
        fprintf(out, ", \"n_%s\": %zu, \"%s\": [", key, problems->n, key);
        for (size_t i = 0; i < problems->n && i < PROBLEMS_MAX; i++) {
                const struct problem *problem = &problems->first[i];

                fprintf(out, "%s{\"line\": %u, \"column\": %u, \"text\": ", i ? ", " : "",
                        problem->at.line, problem->at.column);
                show_string(out, problem->text);
                fputc('}', out);
        }
        fputc(']', out);
}

void problems_show_json(FILE *out, const struct problems *problems, const struct problems *remarks,
                        const char *path)
{
        fputs("{\"path\": ", out);
        show_string(out, path);
        show_list(out, "problems", problems);
        show_list(out, "remarks", remarks);
        fputs("}\n", out);
}
