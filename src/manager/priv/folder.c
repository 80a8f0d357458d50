/* SPDX-License-Identifier: Apache-2.0 */

/*
 * /run/netext/INSTANCE. The lock file is the only proof that an instance lives: a pid
 * in a file can be anybody's by now, a lock ends with its holder. The file is removed
 * at the end, so a lock counts only while the path still leads to the locked file.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "footprint/footprint.h"
#include "manager/priv/folder.h"
#include "manager/priv/lock.h"
#include "manager/priv/priv.h"

#define FOLDER_MODE 0711

static int make_folder(const char *path)
{
        struct stat st;

        if (mkdir(path, FOLDER_MODE) < 0 && errno != EEXIST)
                return -errno;
        if (lstat(path, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        if (st.st_uid != 0)
                return -EPERM;
        return chmod(path, FOLDER_MODE) < 0 ? -errno : 0;
}

static char *parent_of(const char *folder)
{
        return strndup(folder, (size_t)(strrchr(folder, '/') - folder));
}

static int make_folder_and_parent(const char *folder)
{
        _cleanup_free_ char *parent = parent_of(folder);
        int r;

        if (!parent)
                return -ENOMEM;
        r = make_folder(parent);
        return r < 0 ? r : make_folder(folder);
}

static pid_t read_holder(int fd)
{
        char text[16] = {};

        return pread(fd, text, sizeof(text) - 1, 0) > 0 ? (pid_t)atoi(text) : 0;
}

static bool is_file_at(int fd, int folder_fd, const char *name)
{
        struct stat ours, there;

        return fstat(fd, &ours) == 0 &&
               fstatat(folder_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
               ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

/* 0, -EBUSY, or -ESTALE: the file was removed between open and lock, try again. */
static int lock_file(int folder_fd, int *ret_fd, pid_t *ret_holder)
{
        _cleanup_fd_ int fd = -1;
        int r;

        fd = openat(folder_fd, FOOTPRINT_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        r = lock_take(fd);
        if (r < 0) {
                *ret_holder = read_holder(fd);
                return r == -EWOULDBLOCK ? -EBUSY : r;
        }
        if (!is_file_at(fd, folder_fd, FOOTPRINT_LOCK))
                return -ESTALE;
        if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", getpid()) < 0)
                return -errno;
        *ret_fd = take_fd(&fd);
        return 0;
}

int folder_claim(const char *folder, int *ret_lock_fd, pid_t *ret_holder)
{
        int r;

        priv_trace(PRIV_FOLDER, folder);
        do {
                _cleanup_fd_ int folder_fd = -1;

                r = make_folder_and_parent(folder);
                if (r < 0)
                        return r;
                folder_fd = open(folder, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (folder_fd < 0)
                        return -errno;
                r = lock_file(folder_fd, ret_lock_fd, ret_holder);
        } while (r == -ESTALE || r == -ENOENT);
        return r;
}

void folder_remove(const char *folder)
{
        static const char *const names[] = {
                "control",
                "extension",
                "flowd",
                FOOTPRINT_STATE,
                FOOTPRINT_STATE ".new",
                FOOTPRINT_DAMAGED,
                "sets.json",
                "sets.json.new",
                FOOTPRINT_LOCK,
        };
        _cleanup_fd_ int folder_fd = open(folder, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_free_ char *parent = parent_of(folder);

        priv_trace(PRIV_FOLDER, folder);
        for (size_t i = 0; folder_fd >= 0 && i < ARRAY_SIZE(names); i++)
                (void)unlinkat(folder_fd, names[i], 0);
        (void)rmdir(folder);
        if (parent)
                (void)rmdir(parent); /* the last instance's job; the kernel refuses the others */
}

/* A socket, and path as what it can be bound or connected to. */
static int open_socket(const char *path, int type, struct sockaddr_un *ret_address)
{
        int fd;

        if (strlen(path) >= sizeof(ret_address->sun_path))
                return -ENAMETOOLONG;
        fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        *ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        strcpy(ret_address->sun_path, path);
        return fd;
}

int folder_listen(const char *path, int type, mode_t mode)
{
        _cleanup_fd_ int fd = -1;
        struct sockaddr_un address;

        priv_trace(PRIV_FOLDER, path);
        fd = open_socket(path, type, &address);
        if (fd < 0)
                return fd;
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        /* Nobody can connect before listen(), so the mode is right before it matters. */
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, mode) < 0 ||
            listen(fd, SOMAXCONN) < 0)
                return -errno;
        return take_fd(&fd);
}

int folder_connect(const char *path, int type)
{
        _cleanup_fd_ int fd = -1;
        struct sockaddr_un address;

        priv_trace(PRIV_FOLDER, path);
        fd = open_socket(path, type, &address);
        if (fd < 0)
                return fd;
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return take_fd(&fd);
}
