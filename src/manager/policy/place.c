/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The library that parses JSON forgets lines, so they are looked for afterwards, in a text that is
 * known to be well-formed. Strings are compared as they are written: one with an escape in it,
 * which no team and no identifier needs, is not found.
 */

#include <stdbool.h>
#include <string.h>

#include "manager/policy/place.h"

#define BLANKS " \t\r\n"

static const char *skip_blanks(const char *at)
{
        return at + strspn(at, BLANKS);
}

/* Behind the string that begins at at. */
static const char *skip_string(const char *at)
{
        for (at++; *at && *at != '"'; at++)
                if (*at == '\\' && at[1])
                        at++;
        return *at ? at + 1 : at;
}

/* Behind the value that begins at at. */
static const char *skip_value(const char *at)
{
        unsigned int depth = 0;

        do {
                if (*at == '"') {
                        at = skip_string(at);
                } else if (*at == '{' || *at == '[') {
                        depth++;
                        at++;
                } else if (*at == '}' || *at == ']') {
                        depth--;
                        at++;
                } else {
                        at += depth > 0 ? 1 : strcspn(at, ",]}" BLANKS);
                }
        } while (depth > 0 && *at);
        return at;
}

static bool is_string(const char *at, const char *string)
{
        size_t length = strlen(string);

        return *at == '"' && strncmp(at + 1, string, length) == 0 && at[1 + length] == '"';
}

/* To the next of an object or array, behind a value of it; NULL: there is none. */
static const char *next_item(const char *at)
{
        at = skip_blanks(at);
        return *at == ',' ? skip_blanks(at + 1) : NULL;
}

/* The value under key, of the object at at; NULL: it is none, or has none. */
static const char *find_value(const char *at, const char *key)
{
        if (!at || *at != '{')
                return NULL;
        for (at = skip_blanks(at + 1); at && *at == '"'; at = next_item(at)) {
                const char *value = skip_blanks(skip_string(at));

                if (*value == ':')
                        value = skip_blanks(value + 1);
                if (is_string(at, key))
                        return value;
                at = skip_value(value);
        }
        return NULL;
}

static const char *find_string(const char *at, const char *string)
{
        if (!at || *at != '[')
                return NULL;
        for (at = skip_blanks(at + 1); at && *at && *at != ']'; at = next_item(at)) {
                if (is_string(at, string))
                        return at;
                at = skip_value(at);
        }
        return NULL;
}

unsigned int place_find_line(const char *text, const char *key, const char *team, const char *item)
{
        const char *at = find_value(skip_blanks(text), key);
        unsigned int line = 1;

        if (team)
                at = find_value(at, team);
        at = find_string(at, item);
        if (!at)
                return 0;
        while (at > text)
                line += *--at == '\n';
        return line;
}
