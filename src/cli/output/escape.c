/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Walks a string by its UTF-8 characters and lets through only those that show as
 * themselves. UTF-8 is read strictly (RFC 3629: no overlong forms, no surrogates), so
 * that nothing is hidden from us that a lenient terminal would see.
 */

#include <stdint.h>
#include <string.h>

#include "cli/output/escape.h"

/* The character at text and its size in bytes; size 0 if those bytes are not UTF-8. */
static size_t utf8_decode(const char *text, uint32_t *ret_character)
{
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        uint8_t lead = (uint8_t)text[0];
        size_t size = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        uint32_t character = size == 1 ? lead : lead & (0x7fU >> size);

        if (lead >= 0xf8)
                return 0;
        for (size_t i = 1; i < size; i++) {
                if (((uint8_t)text[i] & 0xc0) != 0x80)
                        return 0;
                character = character << 6 | ((uint8_t)text[i] & 0x3f);
        }
        if (size == 0 || character < smallest[size] || character > 0x10ffff ||
            (character >= 0xd800 && character <= 0xdfff))
                return 0;
        *ret_character = character;
        return size;
}

/* C0, DEL, C1; line separators; what is invisible or turns the writing direction. */
static bool shows_as_itself(uint32_t character)
{
        if (character < 0x20 || (character >= 0x7f && character < 0xa0))
                return false;
        if (character >= 0x200b && character <= 0x200f)
                return false;
        if (character >= 0x2028 && character <= 0x202e)
                return false;
        if (character >= 0x2060 && character <= 0x206f)
                return false;
        return character != 0xad && character != 0x61c && character != 0xfeff;
}

static size_t escape_text_character(FILE *out, uint32_t character)
{
        if (character == '\\')
                return (size_t)fprintf(out, "\\\\");
        if (character == '\n')
                return (size_t)fprintf(out, "\\n");
        if (character == '\t')
                return (size_t)fprintf(out, "\\t");
        if (character < 0x80)
                return (size_t)fprintf(out, "\\x%02x", character);
        return (size_t)fprintf(out, "\\u%04x", character);
}

bool escape_is_utf8(const char *text)
{
        while (*text) {
                uint32_t character;
                size_t size = utf8_decode(text, &character);

                if (size == 0)
                        return false;
                text += size;
        }
        return true;
}

size_t escape_text(FILE *out, const char *text)
{
        size_t n_shown = 0;

        while (*text) {
                uint32_t character;
                size_t size = utf8_decode(text, &character);

                if (size == 0) {
                        n_shown += (size_t)fprintf(out, "\\x%02x", (uint8_t)*text++);
                        continue;
                }
                if (character == '\\' || !shows_as_itself(character)) {
                        n_shown += escape_text_character(out, character);
                } else {
                        fwrite(text, 1, size, out);
                        n_shown++;
                }
                text += size;
        }
        return n_shown;
}

void escape_json(FILE *out, const char *text)
{
        fputc('"', out);
        while (*text) {
                uint32_t character;
                size_t size = utf8_decode(text, &character);

                if (size == 0) {
                        fputs("\\ufffd", out);
                        text++;
                        continue;
                }
                if (character == '"' || character == '\\')
                        fprintf(out, "\\%c", (int)character);
                else if (shows_as_itself(character))
                        fwrite(text, 1, size, out);
                else
                        fprintf(out, "\\u%04x", character);
                text += size;
        }
        fputc('"', out);
}
