/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whoever is in an extension's cgroup is the extension, and is killed. In the cgroup of a run are
 * somebody's programs: they are moved to where the run began.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "footprint/footprint.h"
#include "footprint/hierarchy.h"
#include "reset/cgroups.h"
#include "reset/instances.h"

#define EMPTY_MS 2000
#define ROUNDS   10

static int write_at(int folder_fd, const char *name, const char *text)
{
        _cleanup_fd_ int fd = openat(folder_fd, name, O_WRONLY | O_CLOEXEC);

        return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* Killed processes take a moment to leave; the kernel tells. */
static int remove_empty(int parent_fd, const char *name, int folder_fd)
{
        _cleanup_fd_ int events_fd = openat(folder_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        struct pollfd change = { .fd = events_fd, .events = POLLPRI };
        char text[256];

        for (int i = 0; i < ROUNDS; i++) {
                (void)!pread(events_fd, text, sizeof(text), 0);
                if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                        return 0;
                if (errno != EBUSY)
                        break;
                (void)poll(&change, 1, EMPTY_MS / ROUNDS);
        }
        return -errno;
}

/* With all that is below it. */
static int kill_and_remove(int parent_fd, const char *name)
{
        int fd = openat(parent_fd, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;
        _cleanup_dir_ DIR *folder = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        if (!folder)
                return errno == ENOENT ? 0 : -errno;
        r = write_at(fd, "cgroup.kill", "1");
        while (r >= 0 && (entry = readdir(folder)))
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
                        r = kill_and_remove(fd, entry->d_name);
        return r < 0 ? r : remove_empty(parent_fd, name, fd);
}

/* Only what netextd makes in it: an administrator may have given it a folder that is not ours. */
static void remove_extensions(struct reset *reset, const char *path)
{
        size_t length = strlen(FOOTPRINT_EXTENSION_CGROUP);
        _cleanup_dir_ DIR *folder = opendir(path);
        struct dirent *entry;

        while (folder && (entry = readdir(folder)))
                if (strncmp(entry->d_name, FOOTPRINT_EXTENSION_CGROUP, length) == 0 &&
                    isdigit((unsigned char)entry->d_name[length]))
                        reset_tell(reset, DEED_REMOVE,
                                   reset->is_trial ? 0
                                                   : kill_and_remove(dirfd(folder), entry->d_name),
                                   "the cgroup %s/%s", path, entry->d_name);
}

static void remove_folder(struct reset *reset, const char *path)
{
        if (access(path, F_OK) == 0)
                reset_tell(reset, DEED_REMOVE, reset->is_trial || rmdir(path) == 0 ? 0 : -errno,
                           "the cgroup %s", path);
}

static void move(struct reset *reset, const char *from, const char *to)
{
        _cleanup_free_ char *path = NULL, *pid = NULL;
        _cleanup_fd_ int to_fd = open(to, O_DIRECTORY | O_CLOEXEC);
        _cleanup_file_ FILE *members = NULL;
        size_t size = 0;

        if (asprintf(&path, "%s/cgroup.procs", from) < 0)
                return;
        members = fopen(path, "re");
        while (members && getline(&pid, &size, members) > 0) {
                pid[strcspn(pid, "\n")] = '\0';
                reset_tell(reset, DEED_MOVE,
                           reset->is_trial ? 0 : write_at(to_fd, "cgroup.procs", pid),
                           "process %s from %s to %s", pid, from, to);
        }
}

/* apps: PARENT/netext-run-PID/apps */
static void remove_run(struct reset *reset, const char *apps)
{
        _cleanup_free_ char *run = strdup(apps), *parent = NULL;
        char *name;

        if (!run || !(name = strrchr(run, '/')) || strcmp(name, "/apps") != 0)
                return;
        *name = '\0';
        parent = strdup(run);
        if (!parent || !(name = strrchr(parent, '/')) ||
            strncmp(name + 1, FOOTPRINT_RUN_CGROUP, strlen(FOOTPRINT_RUN_CGROUP)) != 0)
                return;
        *name = '\0';
        move(reset, apps, parent);
        remove_folder(reset, apps);
        remove_folder(reset, run);
}

/* all: where they are unless netextd is told otherwise; what is there is removed by its name. */
static void remove_noted(struct reset *reset, const char *name, int folder_fd, const json_t *state,
                         void *userdata)
{
        const char *extensions = state_text(state, "extension_cgroup"), *all = userdata;
        bool is_usual = all && strncmp(extensions, all, strlen(all)) == 0;

        if (*extensions == '/' && !is_usual) {
                remove_extensions(reset, extensions);
                if (json_is_true(json_object_get(state, "made_extension_cgroup")))
                        remove_folder(reset, extensions);
        }
        remove_run(reset, state_text(state, "cgroup"));
}

static void remove_usual(struct reset *reset, const char *all)
{
        _cleanup_dir_ DIR *folder = opendir(all);
        struct dirent *entry;

        while (folder && (entry = readdir(folder))) {
                _cleanup_free_ char *path = NULL;

                if (entry->d_type != DT_DIR || !footprint_is_instance(entry->d_name) ||
                    !reset_means(reset, entry->d_name) ||
                    asprintf(&path, "%s/%s", all, entry->d_name) < 0)
                        continue;
                remove_extensions(reset, path);
                remove_folder(reset, path);
        }
        if (!reset->is_trial)
                (void)rmdir(all); /* with the last instance */
}

void cgroups_remove(struct reset *reset)
{
        _cleanup_free_ char *root = NULL, *all = NULL;

        if (hierarchy_find_root(&root) >= 0 && asprintf(&all, "%s/" FOOTPRINT_CGROUPS, root) >= 0)
                remove_usual(reset, all);
        instances_visit(reset, remove_noted, all);
}
