/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A socket is bound under a short name, made ready, and then renamed: rename(2) has room for
 * long names, and puts a ready socket in the place of an old one in one step.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "manager/priv/priv.h"
#include "manager/priv/socket-folder.h"

#define NEW_NAME ".new"

int socket_folder_make(const char *folder)
{
        struct stat st;

        priv_trace(PRIV_FOLDER, folder);
        if (mkdir(folder, 0755) < 0 && errno != EEXIST)
                return -errno;
        if (lstat(folder, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        if (st.st_uid != geteuid())
                return -EPERM;
        return chmod(folder, 0755) < 0 ? -errno : 0;
}

static int open_folder(const char *folder)
{
        int fd = open(folder, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int socket_folder_listen(const char *folder, const char *name)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int folder_fd = open_folder(folder), fd = -1;
        int length;

        priv_trace(PRIV_FOLDER, name);
        if (folder_fd < 0)
                return folder_fd;
        length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", folder, NEW_NAME);
        if (length >= (int)sizeof(address.sun_path))
                return -ENAMETOOLONG;
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void)unlinkat(folder_fd, NEW_NAME, 0);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            fchmodat(folder_fd, NEW_NAME, 0666, 0) < 0 || listen(fd, SOMAXCONN) < 0 ||
            renameat(folder_fd, NEW_NAME, folder_fd, name) < 0)
                return -errno;
        return take_fd(&fd);
}

void socket_folder_remove(const char *folder, const char *name)
{
        _cleanup_fd_ int folder_fd = open_folder(folder);

        priv_trace(PRIV_FOLDER, name);
        if (folder_fd >= 0)
                (void)unlinkat(folder_fd, name, 0);
}

void socket_folder_sweep(const char *folder, bool (*keep)(const char *name, void *userdata),
                         void *userdata)
{
        _cleanup_dir_ DIR *entries = opendir(folder);
        struct dirent *entry;

        priv_trace(PRIV_FOLDER, folder);
        while (entries && (entry = readdir(entries)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                    !(keep && keep(entry->d_name, userdata)))
                        (void)unlinkat(dirfd(entries), entry->d_name, 0);
}

void socket_folder_remove_all(const char *folder)
{
        socket_folder_sweep(folder, NULL, NULL);
        (void)rmdir(folder);
}
