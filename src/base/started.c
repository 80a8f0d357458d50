/* SPDX-License-Identifier: Apache-2.0 */

/* Fields are counted from behind the second, which is in parentheses and may contain anything. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/started.h"

int started_read(pid_t pid, uint64_t *ret_ticks)
{
        char path[32], text[1024] = {};
        _cleanup_fd_ int fd = -1;
        const char *at;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
                return -ESRCH;
        at = strrchr(text, ')');
        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        if (!at)
                return -ESRCH;
        *ret_ticks = strtoull(at, NULL, 10);
        return 0;
}
