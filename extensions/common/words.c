/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Splits text into words as a shell would: blanks separate, "double quotes" hold
 * together, a backslash inside them takes the next character as it is, and a # where a
 * word could start begins a comment. Works on bytes and asks no locale, so that a file
 * means the same wherever it is read. The cursor never leaves its line but by
 * words_next_line().
 */

#include <stdio.h>
#include <string.h>

#include "common/words.h"

bool word_is(const struct word *word, const char *keyword)
{
        return !word->quoted && strcmp(word->text, keyword) == 0;
}

const char *word_show(const struct word *word, char buffer[WORD_SHOWN_SIZE])
{
        static const char more[] = "...";
        size_t n = 0, room = WORD_SHOWN_SIZE - sizeof(more);

        for (const char *c = word->text; *c; c++) {
                bool printable = *c >= ' ' && *c <= '~';

                if (n + (printable ? 1 : 4) > room) {
                        strcpy(buffer + n, more);
                        return buffer;
                }
                n += (size_t)sprintf(buffer + n, printable ? "%c" : "\\x%02x", (unsigned char)*c);
        }
        buffer[n] = '\0';
        return buffer;
}

void words_init(struct words *words, const char *text, size_t size, struct problems *problems)
{
        *words = (struct words){ .at = text, .end = text + size, .problems = problems };
}

bool words_next_line(struct words *words)
{
        const char *newline;

        if (words->line > 0) {
                newline = memchr(words->at, '\n', (size_t)(words->end - words->at));
                words->at = newline ? newline + 1 : words->end;
        }
        words->line_start = words->at;
        words->line++;
        return words->at < words->end;
}

static struct position position_of(const struct words *words, const char *at)
{
        struct position position = { .line = words->line, .column = 1 };

        /* Every byte but UTF-8's continuations (10xxxxxx) starts a character. */
        for (const char *c = words->line_start; c < at; c++)
                position.column += (*c & 0xc0) != 0x80;
        return position;
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t' || c == '\r';
}

static bool is_control(char c)
{
        return (unsigned char)c < ' ' || c == 0x7f;
}

static bool at_line_end(const struct words *words)
{
        return words->at == words->end || *words->at == '\n';
}

static int invalid(struct words *words, const char *at, const char *what)
{
        problems_add(words->problems, position_of(words, at), "%s", what);
        return WORDS_E_INVALID;
}

/* Adds the character at the cursor to ret, whose text is length bytes long. */
static int take_character(struct words *words, struct word *ret, size_t length)
{
        if (is_control(*words->at) && *words->at != '\t')
                return invalid(words, words->at,
                               "a control character: expected text, in UTF-8 or ASCII");
        if (length == WORD_MAX)
                return invalid(words, words->at, "a word of more than 1023 bytes: it is too long");
        ret->text[length] = *words->at++;
        return WORDS_WORD;
}

static int take_quoted(struct words *words, struct word *ret)
{
        const char *start = words->at++;
        size_t length = 0;

        for (;; length++) {
                if (at_line_end(words))
                        return invalid(words, start,
                                       "a quote without its end: expected \" in "
                                       "the same line");
                if (*words->at == '"')
                        break;
                if (*words->at == '\\' && words->end - words->at > 1 && words->at[1] != '\n')
                        words->at++;
                if (take_character(words, ret, length) != WORDS_WORD)
                        return WORDS_E_INVALID;
        }
        words->at++;
        ret->text[length] = '\0';
        if (length == 0)
                return invalid(words, start,
                               "an empty word: expected something between the quotes");
        if (!at_line_end(words) && !is_blank(*words->at))
                return invalid(words, words->at, "no blank behind a quoted word: expected one");
        return WORDS_WORD;
}

static int take_bare(struct words *words, struct word *ret)
{
        size_t length = 0;

        while (!at_line_end(words) && !is_blank(*words->at)) {
                if (*words->at == '"')
                        return invalid(words, words->at,
                                       "a quote inside a word: expected it around the whole word");
                if (take_character(words, ret, length++) != WORDS_WORD)
                        return WORDS_E_INVALID;
        }
        ret->text[length] = '\0';
        return WORDS_WORD;
}

int words_next(struct words *words, struct word *ret)
{
        const char *behind = words->at;

        while (!at_line_end(words) && is_blank(*words->at))
                words->at++;
        if (at_line_end(words) || *words->at == '#') {
                ret->at = position_of(words, behind);
                words->at = behind;
                return WORDS_END;
        }
        ret->at = position_of(words, words->at);
        ret->quoted = *words->at == '"';
        return ret->quoted ? take_quoted(words, ret) : take_bare(words, ret);
}
