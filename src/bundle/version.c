/* SPDX-License-Identifier: Apache-2.0 */

/* Versions are one to three numbers with dots between them; see netext-bundle(5). */

#include <stdlib.h>

#include "bundle/version.h"

/* The number at *text, and *text moved behind it and its dot; 0 where there is none. */
static unsigned long long next_number(const char **text)
{
        char *end;
        unsigned long long number = strtoull(*text, &end, 10);

        *text = *end == '.' ? end + 1 : "";
        return number;
}

int version_compare(const char *one, const char *other)
{
        while (*one || *other) {
                unsigned long long left = next_number(&one), right = next_number(&other);

                if (left != right)
                        return left < right ? -1 : 1;
        }
        return 0;
}
