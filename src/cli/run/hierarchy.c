/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where the cgroup v2 hierarchy is. It is not always at /sys/fs/cgroup (hybrid systems
 * have it in a folder below), a container may see a part of it, and `ip netns exec`
 * covers it with a fresh /sys.
 */

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/run/hierarchy.h"

#define MOUNT_POINT "/sys/fs/cgroup"

/* Undoes mountinfo's \040 for a blank, in place. */
static void unescape(char *text)
{
        char *to = text;

        while (*text) {
                if (text[0] == '\\' && text[1] && text[2] && text[3]) {
                        *to++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 |
                                       (text[3] - '0'));
                        text += 4;
                } else {
                        *to++ = *text++;
                }
        }
        *to = '\0';
}

/* "0::/user.slice/…" of /proc/self/cgroup is the cgroup v2. */
static int read_own(char **ret_own)
{
        _cleanup_file_ FILE *file = fopen("/proc/self/cgroup", "re");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        ssize_t n;

        if (!file)
                return -errno;
        while ((n = getline(&line, &size, file)) > 0) {
                if (line[n - 1] == '\n')
                        line[n - 1] = '\0';
                if (strncmp(line, "0::/", 4) == 0) {
                        *ret_own = cli_format("%s", line + 3);
                        return 0;
                }
        }
        return -ENOENT;
}

/* own below root, "" for root itself; NULL if it is not below it. */
static const char *relative_to(const char *own, const char *root)
{
        size_t size = strcmp(root, "/") == 0 ? 0 : strlen(root);

        if (strncmp(own, root, size) != 0 || (own[size] != '/' && own[size] != '\0'))
                return NULL;
        return strcmp(own + size, "/") == 0 ? "" : own + size;
}

/* The folder of own in the mount that line of mountinfo is about, or NULL. */
static char *path_in_mount(const char *line, const char *own)
{
        _cleanup_free_ char *root = NULL, *point = NULL, *path = NULL;
        const char *relative;

        if (!strstr(line, " - cgroup2 ") || sscanf(line, "%*s %*s %*s %ms %ms", &root, &point) != 2)
                return NULL;
        unescape(root);
        unescape(point);
        relative = relative_to(own, root);
        if (!relative)
                return NULL;
        path = cli_format("%s%s", point, relative);
        return access(path, F_OK) == 0 ? take_ptr(path) : NULL;
}

int hierarchy_find_own(char **ret_path)
{
        _cleanup_file_ FILE *file = fopen("/proc/self/mountinfo", "re");
        _cleanup_free_ char *own = NULL;
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        int r;

        if (!file)
                return -errno;
        r = read_own(&own);
        if (r)
                return r;
        while (getline(&line, &size, file) > 0) {
                char *path = path_in_mount(line, own);

                if (path) {
                        *ret_path = path;
                        return 0;
                }
        }
        return -ENOENT;
}

int hierarchy_mount(void)
{
        if (unshare(CLONE_NEWNS))
                return -errno;
        /* What is mounted outside still comes in; what is mounted here stays here. */
        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
                return -errno;
        if (mount("netext", MOUNT_POINT, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
                return -errno;
        return 0;
}
