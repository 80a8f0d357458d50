/* SPDX-License-Identifier: Apache-2.0 */

/* Fields are counted from behind the second, which is in parentheses and may contain anything. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/started.h"

/* " S 1 …", what follows the second field; NULL where there is no such process. */
static const char *read_fields(pid_t pid, char *buffer, size_t size)
{
        _cleanup_fd_ int fd = -1;
        const char *end;
        char path[32];
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, buffer, size - 1);
        if (n <= 0)
                return NULL;
        buffer[n] = '\0';
        end = strrchr(buffer, ')');
        return end ? end + 1 : NULL;
}

int started_read(pid_t pid, uint64_t *ret_ticks)
{
        char buffer[1024];
        const char *at = read_fields(pid, buffer, sizeof(buffer));

        for (int field = 3; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        if (!at)
                return -ESRCH;
        *ret_ticks = strtoull(at, NULL, 10);
        return 0;
}

char started_read_state(pid_t pid)
{
        char buffer[1024];
        const char *at = read_fields(pid, buffer, sizeof(buffer));

        return at && *at ? at[1] : 0;
}
