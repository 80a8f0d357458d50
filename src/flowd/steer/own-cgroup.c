/* SPDX-License-Identifier: Apache-2.0 */

/* /proc/self/cgroup says where we are below the root; where that is mounted follows from any
 * cgroup. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "steer/own-cgroup.h"

/* The last folder upwards on the same file system. */
static void go_to_root(char *path)
{
        struct stat folder, above;
        char *end;

        if (stat(path, &folder) < 0)
                return;
        while ((end = strrchr(path, '/')) && end != path) {
                *end = '\0';
                if (stat(path, &above) < 0 || above.st_dev != folder.st_dev) {
                        *end = '/';
                        return;
                }
        }
}

int own_cgroup_open(const char *any_cgroup)
{
        _cleanup_free_ char *path = realpath(any_cgroup, NULL);
        _cleanup_file_ FILE *file = fopen("/proc/self/cgroup", "re");
        char line[PATH_MAX + 8], own[2 * PATH_MAX];
        int fd;

        if (!path || !file)
                return -errno;
        go_to_root(path);
        while (fgets(line, sizeof(line), file)) {
                line[strcspn(line, "\n")] = '\0';
                if (strncmp(line, "0::/", 4) != 0)
                        continue;
                snprintf(own, sizeof(own), "%s%s", path, line + 3);
                fd = open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                return fd < 0 ? -errno : fd;
        }
        return -ENOENT;
}
