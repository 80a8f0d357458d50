/* SPDX-License-Identifier: Apache-2.0 */

/* UTF-8 without overlong forms and surrogates; what of it a terminal or a dialog shows as is. */

#include <stdint.h>
#include <string.h>

#include "bundle/bundle.h"
#include "bundle/text.h"

static bool is_shown(uint32_t c)
{
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad)
                return false;
        if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || (c & 0xfffe) == 0xfffe)
                return false;
        if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e))
                return false; /* invisible; line ends and directions */
        return !(c >= 0x2060 && c <= 0x206f) && c != 0x61c && c != 0xfeff && c < 0xe0000;
}

/* How many bytes the character at text has; 0 if it is none, or not shown. */
static size_t character_length(const unsigned char *text)
{
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t length;
        uint32_t c;

        if (*text < 0x80)
                return is_shown(*text) ? 1 : 0;
        if (*text < 0xc0 || *text >= 0xf8)
                return 0;
        length = *text >= 0xf0 ? 4 : *text >= 0xe0 ? 3 : 2;
        c = *text & (0x7fU >> length);
        for (size_t i = 1; i < length; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (text[i] & 0x3f);
        }
        return c >= smallest[length] && is_shown(c) ? length : 0;
}

bool text_is_printable(const char *text)
{
        const unsigned char *at = (const unsigned char *)text;

        while (*at) {
                size_t length = character_length(at);

                if (length == 0)
                        return false;
                at += length;
        }
        return true;
}

bool text_is_made_of(const char *text, const char *allowed, size_t max)
{
        size_t length = strspn(text, allowed);

        return length > 0 && length <= max && !text[length];
}

const char *path_problem(const char *path)
{
        if (!*path)
                return "is empty";
        if (*path == '/')
                return "is absolute: paths begin at the bundle's folder";
        if (strlen(path) > BUNDLE_PATH_MAX)
                return "is too long: a path has at most 512 bytes";
        for (const char *part = path;; part++) {
                size_t length = strcspn(part, "/");

                if (length == 2 && strncmp(part, "..", 2) == 0)
                        return "leads out of the bundle";
                if (length == 0 || (length == 1 && *part == '.'))
                        return "has an empty part";
                if (length > 255)
                        return "has a part that is too long: a name has at most 255 bytes";
                part += length;
                if (!*part)
                        break;
        }
        return text_is_printable(path) ? NULL : "is not printable UTF-8";
}
