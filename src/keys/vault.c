/* SPDX-License-Identifier: Apache-2.0 */

/* Names come from netextd, which knows what a name is; no path leads out of the vault whatever they
 * are. */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "keys/vault.h"

#define NAME_SIZE 128
#define NEW       ".new" /* being written; no name begins with a dot */

static const char *const suffixes[] = { [VAULT_SECRET] = ".secret", [VAULT_KEY] = ".key" };

static int open_below(int folder_fd, const char *path, int flags)
{
        struct open_how how = {
                .flags = (uint64_t)flags | O_CLOEXEC | O_NOFOLLOW,
                .mode = flags & O_CREAT ? 0600 : 0,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
        };
        int fd = (int)syscall(SYS_openat2, folder_fd, path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

static int open_extension(const struct vault_place *place)
{
        return open_below(place->folder_fd, place->extension, O_RDONLY | O_DIRECTORY);
}

static const char *file_name(const struct vault_place *place, char name[static NAME_SIZE])
{
        snprintf(name, NAME_SIZE, "%s%s", place->name, suffixes[place->kind]);
        return name;
}

static int read_all(int fd, struct locked *ret)
{
        _cleanup_locked_ struct locked locked = {};
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size > VAULT_ITEM_SIZE_MAX || st.st_size == 0)
                return -EBADMSG;
        r = locked_new(&locked, (size_t)st.st_size);
        if (r < 0)
                return r;
        if (pread(fd, locked.bytes, locked.size, 0) != (ssize_t)locked.size)
                return -EIO;
        *ret = locked;
        locked = (struct locked){};
        return 0;
}

int vault_read(const struct vault_place *place, struct locked *ret)
{
        _cleanup_fd_ int folder_fd = open_extension(place), fd = -1;
        char name[NAME_SIZE];

        if (folder_fd < 0)
                return folder_fd;
        fd = open_below(folder_fd, file_name(place, name), O_RDONLY);
        return fd < 0 ? fd : read_all(fd, ret);
}

bool vault_has(const struct vault_place *place)
{
        _cleanup_fd_ int folder_fd = open_extension(place);
        char name[NAME_SIZE];
        struct stat st;

        return folder_fd >= 0 &&
               fstatat(folder_fd, file_name(place, name), &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- looking through --------------------------------------------------------------------- */

static DIR *open_folder(int folder_fd, const char *path)
{
        int fd = open_below(folder_fd, path, O_RDONLY | O_DIRECTORY);
        DIR *folder = fd < 0 ? NULL : fdopendir(fd);

        if (!folder)
                close_fd(fd);
        return folder;
}

/* The next that is no "." and nothing half written. */
static const struct dirent *next(DIR *folder)
{
        const struct dirent *entry;

        do
                entry = readdir(folder);
        while (entry && *entry->d_name == '.');
        return entry;
}

static unsigned int count_items(int folder_fd)
{
        _cleanup_dir_ DIR *folder = open_folder(folder_fd, ".");
        unsigned int n = 0;

        while (folder && next(folder))
                n++;
        return n;
}

static int for_each_of(const struct vault_place *of, vault_item_fn *fn, void *userdata)
{
        _cleanup_dir_ DIR *folder = open_folder(of->folder_fd, of->extension);
        const char *suffix = suffixes[of->kind];
        const struct dirent *entry;
        int r = 0;

        while (r >= 0 && folder && (entry = next(folder))) {
                const char *dot = strrchr(entry->d_name, '.');
                struct vault_place place = *of;
                char name[NAME_SIZE];

                if (!dot || strcmp(dot, suffix) != 0)
                        continue;
                snprintf(name, sizeof(name), "%.*s", (int)(dot - entry->d_name), entry->d_name);
                place.name = name;
                r = fn(&place, userdata);
        }
        return r;
}

int vault_for_each(int folder_fd, const char *extension, enum vault_kind kind, vault_item_fn *fn,
                   void *userdata)
{
        struct vault_place of = { folder_fd, extension, kind, NULL };
        _cleanup_dir_ DIR *vault = NULL;
        const struct dirent *entry;
        int r = 0;

        if (extension)
                return for_each_of(&of, fn, userdata);
        vault = open_folder(folder_fd, ".");
        while (r >= 0 && vault && (entry = next(vault))) {
                of.extension = entry->d_name;
                r = for_each_of(&of, fn, userdata);
        }
        return r;
}

/* --- changing ---------------------------------------------------------------------------- */

static int write_new(int folder_fd, const void *bytes, size_t size)
{
        _cleanup_fd_ int fd = open_below(folder_fd, NEW, O_WRONLY | O_CREAT | O_TRUNC);
        ssize_t n;

        if (fd < 0)
                return fd;
        n = write(fd, bytes, size);
        if (n != (ssize_t)size)
                return n < 0 ? -errno : -ENOSPC;
        return fsync(fd) < 0 ? -errno : 0;
}

int vault_write(const struct vault_place *place, const void *bytes, size_t size)
{
        _cleanup_fd_ int folder_fd = open_extension(place);
        char name[NAME_SIZE];
        int r;

        if (folder_fd < 0)
                return folder_fd;
        if (!vault_has(place) && count_items(folder_fd) >= VAULT_ITEMS_MAX)
                return -ENOSPC;
        r = write_new(folder_fd, bytes, size);
        if (r >= 0 && renameat(folder_fd, NEW, folder_fd, file_name(place, name)) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(folder_fd, NEW, 0);
                return r;
        }
        return fsync(folder_fd) < 0 ? -errno : 0;
}

int vault_remove(const struct vault_place *place)
{
        _cleanup_fd_ int folder_fd = open_extension(place);
        char name[NAME_SIZE];

        if (folder_fd < 0)
                return folder_fd;
        if (unlinkat(folder_fd, file_name(place, name), 0) < 0 || fsync(folder_fd) < 0)
                return -errno;
        return 0;
}
