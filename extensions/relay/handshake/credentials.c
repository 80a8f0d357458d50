/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The password may hold anything but a line's end, colons too; the user may not (RFC 7617).
 * It is used as it stands, blanks and all.
 */

#include <stdbool.h>
#include <string.h>

#include "relay/handshake/credentials.h"

static size_t line_length(const char *text, size_t size)
{
        const char *newline = memchr(text, '\n', size);
        size_t length = newline ? (size_t)(newline - text) : size;

        return length > 0 && text[length - 1] == '\r' ? length - 1 : length;
}

static bool has_control(const char *text, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
                        return true;
        return false;
}

static const char *check_rest(const char *text, size_t size, size_t length)
{
        for (size_t i = length; i < size; i++)
                if (text[i] != '\n' && text[i] != '\r')
                        return "it has more than one line: expected one, USER:PASSWORD";
        return NULL;
}

static const char *check_words(size_t n_user, size_t n_password)
{
        if (n_user == 0 || n_password == 0)
                return "the user or the password is empty: expected USER:PASSWORD";
        if (n_user > CREDENTIALS_WORD_MAX || n_password > CREDENTIALS_WORD_MAX)
                return "the user or the password is too long: expected at most 255 bytes each";
        return NULL;
}

const char *credentials_parse(struct credentials *credentials, const char *text, size_t size)
{
        size_t length = line_length(text, size), n_user, n_password;
        const char *colon = memchr(text, ':', length), *problem;

        explicit_bzero(credentials, sizeof(*credentials));
        if (!colon)
                return "there is no colon in its first line: expected USER:PASSWORD";
        if (has_control(text, length))
                return "it has a control character: expected USER:PASSWORD";
        n_user = (size_t)(colon - text);
        n_password = length - n_user - 1;
        problem = check_words(n_user, n_password);
        if (!problem)
                problem = check_rest(text, size, length);
        if (problem)
                return problem;
        memcpy(credentials->user, text, n_user);
        memcpy(credentials->password, colon + 1, n_password);
        return NULL;
}
