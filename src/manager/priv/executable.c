/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each in a thread of its own: a program can lie on a file system that does not answer, of a
 * server that is gone or of a user's own making, and netextd shall wait for neither.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "manager/loop/aside.h"
#include "manager/priv/executable.h"
#include "manager/priv/priv.h"

struct opening {
        uint64_t request;
        pid_t pid;
        executable_opened_fn *fn;
        void *userdata;
        int fd; /* the result */
};

static void open_it(void *job)
{
        struct opening *opening = job;
        char path[32];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/exe", opening->pid);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        opening->fd = fd < 0 ? -errno : fd;
}

static struct aside_sort openings = {
        .work_fn = open_it, .free_fn = free, .max = 64, /* as many as flowd asks for at once */
};

static void opened(void *job, void *userdata)
{
        struct opening *opening = job;

        opening->fn(opening->request, opening->fd, opening->userdata);
}

int executable_open(sd_event *event, uint64_t request, pid_t pid, executable_opened_fn *fn,
                    void *userdata)
{
        _cleanup_free_ struct opening *opening = calloc(1, sizeof(*opening));
        char object[32];
        int r;

        if (!opening)
                return -ENOMEM;
        *opening = (struct opening){ request, pid, fn, userdata, -1 };
        snprintf(object, sizeof(object), "of pid %d", pid);
        priv_trace(PRIV_EXECUTABLE, object);
        r = aside_start(&openings, event, opening, opened, NULL, NULL);
        if (r >= 0)
                (void)take_ptr(opening);
        return r;
}
