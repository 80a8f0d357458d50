/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What an unprivileged worker made becomes root's here, so nothing of it is believed: every name is
 * opened below its folder with openat2(2), which follows no link and leaves no mount point, and
 * what was opened is looked at before it is changed. The worker is gone by then, and had no
 * children (its seccomp list has no fork), so nobody holds a descriptor to write by.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/cleanup.h"
#include "manager/priv/lock.h"
#include "manager/priv/priv.h"
#include "manager/priv/staged.h"

#define FOLDER_MODE 0711
#define DEPTH_MAX   32
#define DAMAGED     ".damaged-"
#define ASIDE_MAX   100

/* A path below folder_fd that leads over no link. Negative errno. */
static int open_below(int folder_fd, const char *path, uint64_t flags)
{
        const struct open_how how = {
                .flags = flags | O_CLOEXEC | O_NOFOLLOW,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
        };
        int fd = (int)syscall(SYS_openat2, folder_fd, path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

static int make_path(const char *path)
{
        struct stat st;

        if (mkdir(path, FOLDER_MODE) < 0 && errno != EEXIST)
                return -errno;
        if (stat(path, &st) < 0)
                return -errno;
        return !S_ISDIR(st.st_mode) ? -ENOTDIR : st.st_uid != 0 ? -EPERM : 0;
}

int staged_open_store(const char *path)
{
        _cleanup_free_ char *parent = strdup(path);
        _cleanup_fd_ int fd = -1;
        int r;

        if (!parent)
                return -ENOMEM;
        priv_trace(PRIV_STORE, path);
        *strrchr(parent, '/') = '\0';
        r = *parent ? make_path(parent) : 0;
        if (r >= 0)
                r = make_path(path);
        if (r < 0)
                return r;
        fd = open(path, O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = lock_take(fd);
        return r < 0 ? r : take_fd(&fd);
}

int staged_open(int store_fd, const char *path)
{
        return open_below(store_fd, path, O_RDONLY | O_DIRECTORY);
}

static int make_one(int store_fd, const char *path)
{
        return mkdirat(store_fd, path, FOLDER_MODE) < 0 && errno != EEXIST ? -errno : 0;
}

static int make_all(int store_fd, const char *path)
{
        _cleanup_free_ char *part = strdup(path);
        int r = 0;

        if (!part)
                return -ENOMEM;
        for (char *slash = strchr(part, '/'); r >= 0 && slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                r = make_one(store_fd, part);
                *slash = '/';
        }
        return r < 0 ? r : make_one(store_fd, part);
}

int staged_make(int store_fd, const char *path, uid_t owner, mode_t mode)
{
        _cleanup_fd_ int fd = -1;
        int r;

        priv_trace(PRIV_STORE, path);
        r = make_all(store_fd, path);
        if (r < 0)
                return r;
        fd = staged_open(store_fd, path);
        if (fd < 0)
                return fd;
        if (fchown(fd, owner, owner) < 0 || fchmod(fd, mode) < 0)
                return -errno;
        return take_fd(&fd);
}

/* A name in the folder folder_fd. */
typedef int entry_fn(int folder_fd, const char *name, unsigned int depth, void *userdata);

static int for_each_entry(int folder_fd, entry_fn *fn, unsigned int depth, void *userdata)
{
        _cleanup_dir_ DIR *folder = NULL;
        struct dirent *entry;
        int fd, r = 0;

        if (depth > DEPTH_MAX)
                return -EBADMSG;
        fd = open_below(folder_fd, ".", O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        folder = fdopendir(fd);
        if (!folder) {
                close_fd(fd);
                return -errno;
        }
        while (r >= 0 && (errno = 0, entry = readdir(folder)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = fn(folder_fd, entry->d_name, depth, userdata);
        return r < 0 ? r : -errno;
}

static int give_to_root(int fd, bool executable)
{
        return fchown(fd, 0, 0) < 0 || fchmod(fd, executable ? 0755 : 0644) < 0 ? -errno : 0;
}

static int take_entry(int folder_fd, const char *name, unsigned int depth, void *userdata)
{
        /* Not blocking: what is opened may be a FIFO, and is then looked at. */
        _cleanup_fd_ int fd = open_below(folder_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd == -ELOOP || fd == -ENXIO || fd == -EXDEV)
                return -EBADMSG; /* a link, a socket or a device, a mount point */
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode)) {
                int r = give_to_root(fd, true);

                return r < 0 ? r : for_each_entry(fd, take_entry, depth + 1, NULL);
        }
        if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
                return -EBADMSG;
        return give_to_root(fd, st.st_mode & S_IXUSR);
}

int staged_take(int folder_fd)
{
        int r;

        priv_trace(PRIV_STORE, "a staged bundle");
        r = give_to_root(folder_fd, true);
        return r < 0 ? r : for_each_entry(folder_fd, take_entry, 0, NULL);
}

/* Each folder on the way to what path names, but the store itself: a name is for good when its
 * folder is written. */
static int sync_folders_to(int store_fd, const char *path)
{
        _cleanup_free_ char *folder = strdup(path);
        char *slash;

        if (!folder)
                return -ENOMEM;
        while ((slash = strrchr(folder, '/'))) {
                _cleanup_fd_ int fd = -1;

                *slash = '\0';
                fd = staged_open(store_fd, folder);
                if (fd < 0)
                        return fd;
                if (fsync(fd) < 0)
                        return -errno;
        }
        return 0;
}

int staged_move(int store_fd, const char *from, const char *to)
{
        _cleanup_free_ char *folder = strdup(to);
        char *slash;
        int r = 0;

        if (!folder)
                return -ENOMEM;
        priv_trace(PRIV_STORE, to);
        slash = strrchr(folder, '/');
        if (slash) {
                *slash = '\0';
                r = make_all(store_fd, folder);
        }
        if (r < 0)
                return r;
        if (renameat2(store_fd, from, store_fd, to, RENAME_NOREPLACE) < 0)
                return -errno;
        return sync_folders_to(store_fd, to);
}

static int remove_entry(int folder_fd, const char *name, unsigned int depth, void *userdata)
{
        _cleanup_fd_ int fd = -1;
        int r;

        if (unlinkat(folder_fd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        fd = open_below(folder_fd, name, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        r = for_each_entry(fd, remove_entry, depth + 1, NULL);
        if (r >= 0 && unlinkat(folder_fd, name, AT_REMOVEDIR) < 0)
                r = -errno;
        return r;
}

int staged_remove(int store_fd, const char *path)
{
        _cleanup_free_ char *folder = strdup(path);
        _cleanup_fd_ int fd = -1;
        char *slash;

        if (!folder)
                return -ENOMEM;
        priv_trace(PRIV_STORE, path);
        slash = strrchr(folder, '/');
        if (!slash)
                return remove_entry(store_fd, path, 0, NULL);
        *slash = '\0';
        fd = staged_open(store_fd, folder);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        return remove_entry(fd, slash + 1, 0, NULL);
}

int staged_for_each(int store_fd, const char *path, int (*fn)(const char *name, void *userdata),
                    void *userdata)
{
        _cleanup_dir_ DIR *folder = NULL;
        struct dirent *entry;
        int fd, r = 0;

        fd = staged_open(store_fd, path);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        folder = fdopendir(fd);
        if (!folder) {
                close_fd(fd);
                return -errno;
        }
        while (r == 0 && (entry = readdir(folder)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = fn(entry->d_name, userdata);
        return r;
}

struct search {
        staged_program_fn *fn;
        void *userdata;
};

static int search_entry(int folder_fd, const char *name, unsigned int depth, void *userdata)
{
        _cleanup_fd_ int fd = open_below(folder_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        const struct search *search = userdata;
        struct stat st;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return for_each_entry(fd, search_entry, depth + 1, userdata);
        return S_ISREG(st.st_mode) && st.st_mode & S_IXUSR ? search->fn(fd, search->userdata) : 0;
}

int staged_for_each_program(int store_fd, const char *path, staged_program_fn *fn, void *userdata)
{
        struct search search = { .fn = fn, .userdata = userdata };
        _cleanup_fd_ int fd = staged_open(store_fd, path);

        priv_trace(PRIV_STORE, path);
        return fd < 0 ? fd : for_each_entry(fd, search_entry, 0, &search);
}

static int write_all(int fd, const char *text, size_t size)
{
        while (size > 0) {
                ssize_t n = write(fd, text, size);

                if (n < 0)
                        return -errno;
                text += n;
                size -= (size_t)n;
        }
        return 0;
}

int staged_replace_file(int store_fd, const char *name, const char *text, size_t size)
{
        _cleanup_free_ char *new_name = NULL;
        _cleanup_fd_ int fd = -1;
        int r;

        if (asprintf(&new_name, "%s.new", name) < 0)
                return -ENOMEM;
        priv_trace(PRIV_STORE, name);
        fd = openat(store_fd, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
        if (fd < 0)
                return -errno;
        r = write_all(fd, text, size);
        if (r >= 0 && (fdatasync(fd) < 0 || renameat(store_fd, new_name, store_fd, name) < 0 ||
                       fsync(store_fd) < 0))
                r = -errno;
        if (r < 0)
                (void)unlinkat(store_fd, new_name, 0);
        return r;
}

int staged_append_file(int store_fd, const char *name)
{
        int fd = openat(store_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
                        0600);

        return fd < 0 ? -errno : fd;
}

bool staged_was_put_aside(const char *name)
{
        return strstr(name, DAMAGED) != NULL;
}

int staged_put_aside(int store_fd, const char *name, char **ret_name)
{
        time_t now = time(NULL);
        char when[32];
        struct tm tm;

        priv_trace(PRIV_STORE, name);
        gmtime_r(&now, &tm);
        strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
        for (unsigned int i = 1; i < ASIDE_MAX; i++) {
                _cleanup_free_ char *aside = NULL;

                /* The second of a second has a number. */
                if ((i == 1 ? asprintf(&aside, "%s" DAMAGED "%s", name, when)
                            : asprintf(&aside, "%s" DAMAGED "%s-%u", name, when, i)) < 0)
                        return -ENOMEM;
                if (renameat2(store_fd, name, store_fd, aside, RENAME_NOREPLACE) == 0) {
                        *ret_name = take_ptr(aside);
                        return fsync(store_fd) < 0 ? -errno : 0;
                }
                if (errno != EEXIST)
                        return -errno;
        }
        return -EEXIST;
}

int staged_read_file(int store_fd, const char *name)
{
        return open_below(store_fd, name, O_RDONLY);
}
