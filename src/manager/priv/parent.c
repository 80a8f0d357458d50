/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Read twice: a process whose parent ends meanwhile gets another one, and the number of that
 * which ended may be somebody else's.
 */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager/priv/parent.h"
#include "manager/priv/priv.h"

#define NS_PER_S 1000000000ULL

/* Fields 4 and 22; the second, in parentheses, may contain anything. 0: the process is gone. */
static pid_t read_parent(pid_t pid, uint64_t *ret_started_ticks)
{
        char path[32], text[1024] = {};
        _cleanup_fd_ int fd = -1;
        const char *at;
        pid_t parent;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
                return 0;
        at = strrchr(text, ')');
        for (int field = 2; at && field < 4; field++)
                at = strchr(at + 1, ' ');
        if (!at)
                return 0;
        parent = (pid_t)strtol(at, NULL, 10);
        for (int field = 4; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        *ret_started_ticks = at ? strtoull(at, NULL, 10) : 0;
        return parent;
}

char *parent_program(pid_t pid, uint64_t started_ns)
{
        uint64_t wanted = started_ns / (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK)), started = 0;
        char path[32], program[PATH_MAX];
        pid_t parent = read_parent(pid, &started);
        ssize_t length;

        if (parent <= 0 || started != wanted)
                return NULL;
        snprintf(path, sizeof(path), "/proc/%d/exe", parent);
        priv_trace(PRIV_EXECUTABLE, path);
        length = readlink(path, program, sizeof(program) - 1);
        if (length < 0 || read_parent(pid, &started) != parent || started != wanted)
                return NULL;
        program[length] = '\0';
        return strdup(program);
}
