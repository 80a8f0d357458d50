/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whoever had the folder before may have put anything in it, so nothing is followed, and a
 * file that has a second name may be one of somebody else's.
 */

#include "manager/priv/give.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "manager/priv/priv.h"

#define DEPTH_MAX 32
#define AS_IT_IS  ((uid_t)-1)

static int give_content(int taken_fd, uid_t uid, gid_t gid, unsigned int depth);

static int give_entry(int folder_fd, const char *name, uid_t uid, gid_t gid, unsigned int depth)
{
        const int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        _cleanup_fd_ int fd = -1;
        struct stat st;

        fd = openat(folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || st.st_nlink > 1))
                return 0;
        if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? give_content(openat(fd, ".", flags), uid, gid, depth + 1) : 0;
}

/* fd is taken. */
static int give_content(int taken_fd, uid_t uid, gid_t gid, unsigned int depth)
{
        DIR *folder = taken_fd < 0 ? NULL : fdopendir(taken_fd);
        struct dirent *entry;
        int r = 0;

        if (!folder) {
                r = -errno;
                close_fd(taken_fd);
                return r;
        }
        while (r >= 0 && depth < DEPTH_MAX && (entry = readdir(folder)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = give_entry(dirfd(folder), entry->d_name, uid, gid, depth);
        closedir(folder);
        return r;
}

int give_folder(const char *path, uid_t uid)
{
        _cleanup_fd_ int fd = open(path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid == uid)
                return 0;
        priv_trace(PRIV_SPAWN, path);
        r = give_content(openat(fd, ".", O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), uid, uid, 0);
        if (r < 0)
                return r;
        return fchown(fd, uid, uid) < 0 ? -errno : 0; /* the last: by it we see that all are */
}

int give_folder_to_group(int folder_fd, gid_t gid)
{
        const int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        int r;

        priv_trace(PRIV_SPAWN, "a shared folder");
        r = give_content(openat(folder_fd, ".", flags), AS_IT_IS, gid, 0);
        if (r < 0)
                return r;
        return fchown(folder_fd, 0, gid) < 0 ? -errno : 0;
}

int give_folder_back(int folder_fd)
{
        priv_trace(PRIV_SPAWN, "a shared folder");
        return fchown(folder_fd, 0, 0) < 0 ? -errno : 0;
}
