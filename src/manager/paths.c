/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The other programs are found relative to our own executable, so that a staged tree
 * works where it stands.
 */

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "footprint/footprint.h"
#include "footprint/hierarchy.h"
#include "manager/paths.h"
#include "manager/priv/cgroup.h"

/* Sets *path unless an earlier one failed already. */
_printf_(3, 4) static void put(int *r, char **path, const char *format, ...)
{
        va_list args;

        if (*r < 0)
                return;
        va_start(args, format);
        if (vasprintf(path, format, args) < 0) {
                *path = NULL;
                *r = -ENOMEM;
        }
        va_end(args);
}

static int put_runtime(struct paths *paths, const struct options *options)
{
        int r = 0;

        put(&r, &paths->folder, FOOTPRINT_RUNTIME "/%s", options->instance);
        put(&r, &paths->control_socket, "%s/control", paths->folder);
        put(&r, &paths->extension_socket, "%s/extension", paths->folder);
        put(&r, &paths->flowd_socket, "%s/flowd", paths->folder);
        put(&r, &paths->endpoints, "%s/endpoints", paths->folder);
        put(&r, &paths->state, "%s/" FOOTPRINT_STATE, paths->folder);
        put(&r, &paths->damaged_state, "%s/" FOOTPRINT_DAMAGED, paths->folder);
        put(&r, &paths->sets, "%s/sets.json", paths->folder);
        if (options->state_directory)
                put(&r, &paths->state_directory, "%s", options->state_directory);
        else
                put(&r, &paths->state_directory, "/var/lib/netext/%s", options->instance);
        return r;
}

/* PREFIX/sbin/netextd → PREFIX/libexec/netext/… */
static int put_programs(struct paths *paths)
{
        char prefix[PATH_MAX];
        ssize_t length;
        int r = 0;

        length = readlink("/proc/self/exe", prefix, sizeof(prefix) - 1);
        if (length < 0)
                return -errno;
        prefix[length] = '\0';
        for (int level = 0; level < 2; level++)
                if (strrchr(prefix, '/'))
                        *strrchr(prefix, '/') = '\0';
        put(&r, &paths->flowd_program, "%s/libexec/netext/netext-flowd", prefix);
        put(&r, &paths->bundle_program, "%s/libexec/netext/netext-bundle", prefix);
        put(&r, &paths->keys_program, "%s/libexec/netext/netext-keys", prefix);
        put(&r, &paths->extensions_folder, "%s/libexec/netext/extensions", prefix);
        return r;
}

static int check_cgroup(const char *path)
{
        int r;

        r = cgroup_check(path);
        if (r == -ENOTDIR)
                log_error(
                        "--cgroup %s: it is not in a cgroup v2 hierarchy; give a folder below the "
                        "mount point of cgroup2 (see /proc/mounts)",
                        path);
        else if (r < 0)
                log_error("--cgroup %s: %s; make it first", path, strerror(-r));
        return r;
}

static int put_cgroups(struct paths *paths, const struct options *options)
{
        _cleanup_free_ char *root = NULL, *cgroup = NULL;
        int r = 0;

        if (!options->cgroup || !options->extension_cgroup)
                r = hierarchy_find_root(&root);
        if (r == -ENOENT)
                log_error("no cgroup v2 hierarchy is mounted here (\"ip netns exec\" hides it: "
                          "enter with \"nsenter --net=…\"); mount one, or give --cgroup and "
                          "--extension-cgroup");
        if (options->cgroup)
                cgroup = realpath(options->cgroup, NULL);
        put(&r, &paths->cgroup, "%s", cgroup ?: options->cgroup ?: root);
        if (options->extension_cgroup)
                put(&r, &paths->extension_cgroup, "%s", options->extension_cgroup);
        else
                put(&r, &paths->extension_cgroup, "%s/" FOOTPRINT_CGROUPS "/%s", root,
                    options->instance);
        return r < 0 ? r : check_cgroup(paths->cgroup);
}

int paths_init(struct paths *paths, const struct options *options)
{
        int r;

        *paths = (struct paths){};
        r = put_runtime(paths, options);
        if (r >= 0)
                r = put_programs(paths);
        if (r >= 0)
                r = put_cgroups(paths, options);
        if (r < 0)
                paths_deinit(paths);
        return r;
}

void paths_deinit(struct paths *paths)
{
        free(paths->folder);
        free(paths->control_socket);
        free(paths->extension_socket);
        free(paths->flowd_socket);
        free(paths->endpoints);
        free(paths->state);
        free(paths->damaged_state);
        free(paths->sets);
        free(paths->cgroup);
        free(paths->extension_cgroup);
        free(paths->flowd_program);
        free(paths->bundle_program);
        free(paths->keys_program);
        free(paths->state_directory);
        free(paths->extensions_folder);
        *paths = (struct paths){};
}
