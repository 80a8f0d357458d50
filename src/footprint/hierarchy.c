/* SPDX-License-Identifier: Apache-2.0 */

/* It is not always at /sys/fs/cgroup: hybrid systems have it in a folder below. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "footprint/hierarchy.h"

/* proc(5) writes blanks and their like as \ooo. */
static void unescape(char *text)
{
        char *to = text;

        for (; *text; text++) {
                if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
                        *to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
                                       (text[3] - '0'));
                        text += 3;
                } else {
                        *to++ = *text;
                }
        }
        *to = '\0';
}

/* "id parent device root mount-point options optional… - type source options" */
static char *cgroup2_mount_point(char *line)
{
        char *root, *point, *save = NULL;
        const char *type = strstr(line, " - ");

        if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0)
                return NULL;
        strtok_r(line, " ", &save);
        strtok_r(NULL, " ", &save);
        strtok_r(NULL, " ", &save);
        root = strtok_r(NULL, " ", &save);
        point = strtok_r(NULL, " ", &save);
        if (!point || strcmp(root, "/") != 0)
                return NULL;
        unescape(point);
        return point;
}

int hierarchy_find_root(char **ret_path)
{
        _cleanup_file_ FILE *mounts = fopen("/proc/self/mountinfo", "re");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        if (!mounts)
                return -errno;
        while (getline(&line, &size, mounts) >= 0) {
                const char *point = cgroup2_mount_point(line);

                if (!point)
                        continue;
                *ret_path = strdup(point);
                return *ret_path ? 0 : -ENOMEM;
        }
        return -ENOENT;
}
