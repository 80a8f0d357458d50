/* SPDX-License-Identifier: Apache-2.0 */

/* Folders of / that were merged with those of /usr. */

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sdk/merged.h"

char *merged_name(const char *path)
{
        char folder[NAME_MAX + 2] = "/", target[NAME_MAX + 8] = "";
        const char *from_root = target;

        if (sscanf(path, "/usr/%255[^/]", folder + 1) != 1 ||
            readlink(folder, target, sizeof(target) - 1) < 0)
                return NULL;
        if (*from_root == '/')
                from_root++;
        if (strncmp(from_root, "usr", 3) != 0 || strcmp(from_root + 3, folder) != 0)
                return NULL;
        return strdup(path + strlen("/usr"));
}
