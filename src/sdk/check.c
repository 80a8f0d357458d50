/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Checks of what a program hands to the library. A program that was built against
 * later headers works as long as it leaves alone what this library does not know.
 */

#include <string.h>

#include "sdk/check.h"

bool name_is_valid(const char *name)
{
        size_t length;

        if (!name)
                return false;
        length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
        return length > 0 && length <= NAME_LENGTH_MAX && name[length] == '\0';
}

bool identifier_is_valid(const char *identifier)
{
        size_t length;

        if (!identifier || !*identifier || *identifier == '.')
                return false;
        length = strspn(identifier,
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.");
        return length <= IDENTIFIER_LENGTH_MAX && identifier[length] == '\0';
}

bool options_are_known(const void *options, size_t known)
{
        const char *bytes = options;
        size_t size;

        if (!options)
                return false;
        memcpy(&size, options, sizeof(size));
        if (size < known)
                return false;
        for (size_t i = known; i < size; i++)
                if (bytes[i] != 0)
                        return false;
        return true;
}
