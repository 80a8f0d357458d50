/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The administrator's path is followed wherever it leads, but only a regular file is
 * opened: opening a device or a FIFO does things, so it is looked at (O_PATH) first.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "manager/priv/file.h"
#include "manager/priv/priv.h"

int file_reopen(int fd)
{
        char path[sizeof("/proc/self/fd/") + 11];
        int reopened;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        reopened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        return reopened < 0 ? -errno : reopened;
}

int file_open(const char *path)
{
        _cleanup_fd_ int fd = -1;
        struct stat st;

        priv_trace(PRIV_OPEN, path);
        fd = open(path, O_PATH | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
        if (st.st_size > FILE_SIZE_MAX)
                return -EFBIG;
        return file_reopen(fd);
}

const char *file_error_to_string(int error)
{
        switch (error) {
        case -EINVAL:
                return "it is not a regular file";
        case -EFBIG:
                return "it is larger than 16 MiB";
        default:
                return strerror(-error);
        }
}
