/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sentences, and UTF-8 as sd-bus understands it: no overlong forms, no surrogates,
 * nothing above U+10FFFF, no non-characters. A sentence that cannot be made for lack of
 * memory stays away; nothing depends on it.
 */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "manager/loop/text.h"

static bool is_control(uint32_t c)
{
        return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

static bool is_character(uint32_t c)
{
        if (c > 0x10ffff || (c & 0xfffff800) == 0xd800)
                return false;
        return (c < 0xfdd0 || c > 0xfdef) && (c & 0xfffe) != 0xfffe;
}

/* How many bytes the character at text has; 0 if it is none, or a control character. */
static size_t character_length(const unsigned char *text, bool controls_pass)
{
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t length;
        uint32_t c;

        if (*text < 0x80)
                return controls_pass || !is_control(*text) ? 1 : 0;
        length = *text >= 0xf0 ? 4 : *text >= 0xe0 ? 3 : 2;
        if (*text < 0xc0 || *text >= 0xf8)
                return 0;
        c = *text & (0x7fU >> length);
        for (size_t i = 1; i < length; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (text[i] & 0x3f);
        }
        if (c < smallest[length] || !is_character(c))
                return 0;
        return controls_pass || !is_control(c) ? length : 0;
}

static char *escape(const char *text, bool controls_pass)
{
        char *clean, *to;

        if (!text)
                return NULL;
        clean = to = malloc(strlen(text) * 4 + 1);
        if (!clean)
                return NULL;
        while (*text) {
                size_t length = character_length((const unsigned char *)text, controls_pass);

                if (length == 0) {
                        to += sprintf(to, "\\x%02x", (unsigned char)*text++);
                        continue;
                }
                to = mempcpy(to, text, length);
                text += length;
        }
        *to = '\0';
        return clean;
}

char *text_clean(const char *text)
{
        return escape(text, false);
}

char *text_to_utf8(const char *text)
{
        return escape(text, true);
}

bool text_is_identifier(const char *text)
{
        size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

        return length > 0 && length <= TEXT_IDENTIFIER_MAX && !text[length];
}

static void text_vset(char **text, const char *format, va_list args)
{
        char *made = NULL;

        if (vasprintf(&made, format, args) < 0)
                made = NULL;
        free(*text);
        *text = made;
}

void text_set(char **text, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        text_vset(text, format, args);
        va_end(args);
}

void text_add_word(char **words, const char *word)
{
        _cleanup_free_ char *before = take_ptr(*words);

        text_set(words, "%s%s%s", before ?: "", before ? " " : "", word);
}

int text_problem(char **ret_problem, int error, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        text_vset(ret_problem, format, args);
        va_end(args);
        return error;
}
