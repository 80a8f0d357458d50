/* SPDX-License-Identifier: Apache-2.0 */

/* The kernel meets a path from its end, and writes it down as it meets it. */

#include <stdlib.h>
#include <string.h>

#include "bpf/steer.abi.h"
#include "owner/path.h"

void path_turn(const char *reversed, size_t size, bool is_cut, char *path)
{
        const char *end = reversed + size;
        char *to = path;

        if (is_cut)
                to = stpcpy(to, "…");
        while (end > reversed) {
                const char *start = end - 1;

                while (start > reversed && start[-1] != '\0')
                        start--;
                *to++ = '/';
                to = stpcpy(to, start);
                end = start;
        }
        if (to == path)
                *to++ = '/';
        *to = '\0';
}

char *path_from_record(const char *reversed, size_t size, size_t max, uint32_t flags)
{
        char *path;

        if (size > max)
                size = max;
        path = calloc(1, size + sizeof("…/"));
        if (path && size > 0)
                path_turn(reversed, size, flags & STEER_PATH_TRUNCATED, path);
        return path;
}
