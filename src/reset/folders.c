/* SPDX-License-Identifier: Apache-2.0 */

/* Links are not followed, and other file systems not entered. */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "footprint/footprint.h"
#include "reset/folders.h"
#include "reset/instances.h"

static int remove_content(int folder_fd);

static int remove_entry(int folder_fd, const char *name)
{
        _cleanup_fd_ int fd = -1;
        struct stat folder, entry;
        int r;

        if (unlinkat(folder_fd, name, 0) == 0)
                return 0;
        if (errno != EISDIR)
                return -errno;
        fd = openat(folder_fd, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(folder_fd, &folder) < 0 || fstat(fd, &entry) < 0)
                return -errno;
        r = entry.st_dev == folder.st_dev ? remove_content(fd) : -EBUSY;
        if (r < 0)
                return r;
        return unlinkat(folder_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int remove_content(int folder_fd)
{
        int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        _cleanup_dir_ DIR *folder = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        while (folder && r == 0 && (entry = readdir(folder)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = remove_entry(folder_fd, entry->d_name);
        return r;
}

static int remove_folder(int folder_fd, const char *path)
{
        int r;

        r = remove_content(folder_fd);
        if (r < 0)
                return r;
        return rmdir(path) < 0 ? -errno : 0;
}

static void remove_instance(struct reset *reset, const char *name, int folder_fd,
                            const json_t *state, void *userdata)
{
        char path[sizeof(FOOTPRINT_RUNTIME) + FOOTPRINT_INSTANCE_MAX + 1];

        snprintf(path, sizeof(path), FOOTPRINT_RUNTIME "/%s", name);
        reset_tell(reset, DEED_REMOVE, reset->is_trial ? 0 : remove_folder(folder_fd, path),
                   "the folder %s", path);
}

void folders_remove(struct reset *reset)
{
        instances_visit(reset, remove_instance, NULL);
        if (!reset->is_trial)
                (void)rmdir(FOOTPRINT_RUNTIME); /* with the last instance */
}
