/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each in a thread of its own: a program can lie on a file system that does not answer, of a
 * server that is gone or of a user's own making, and netextd shall wait for neither. Such a
 * thread stays; there are never more than a few.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "manager/priv/executable.h"
#include "manager/priv/priv.h"

#define OPENINGS_MAX 64 /* as many as flowd asks for at once */

struct opening {
        uint64_t request;
        pid_t pid;
        executable_opened_fn *fn;
        void *userdata;
        sd_event_source *source;
        int done_fd;
        int fd; /* the thread's result */
};

static unsigned int n_openings;

static struct opening *opening_free(struct opening *opening)
{
        if (!opening)
                return NULL;
        sd_event_source_disable_unref(opening->source);
        close_fd(opening->done_fd);
        free(opening);
        n_openings--;
        return NULL;
}
DEFINE_CLEANUP(struct opening *, opening, opening_free)

static void *run(void *userdata)
{
        struct opening *opening = userdata;
        const uint64_t one = 1;
        char path[32];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/exe", opening->pid);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        opening->fd = fd < 0 ? -errno : fd;
        (void)!write(opening->done_fd, &one, sizeof(one)); /* opening is the loop's from here on */
        return NULL;
}

static int opening_dispatch(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        _cleanup_(cleanup_opening) struct opening *opening = userdata;

        opening->fn(opening->request, opening->fd, opening->userdata);
        return 0;
}

static int start_thread(struct opening *opening)
{
        pthread_t thread;
        int r;

        r = -pthread_create(&thread, NULL, run, opening);
        if (r >= 0)
                (void)pthread_detach(thread);
        return r;
}

int executable_open(sd_event *event, uint64_t request, pid_t pid, executable_opened_fn *fn,
                    void *userdata)
{
        _cleanup_(cleanup_opening) struct opening *opening = NULL;
        char object[32];
        int r;

        if (n_openings == OPENINGS_MAX)
                return -EBUSY;
        opening = calloc(1, sizeof(*opening));
        if (!opening)
                return -ENOMEM;
        n_openings++;
        opening->request = request;
        opening->pid = pid;
        opening->fn = fn;
        opening->userdata = userdata;
        opening->done_fd = eventfd(0, EFD_CLOEXEC);
        if (opening->done_fd < 0)
                return -errno;
        r = sd_event_add_io(event, &opening->source, opening->done_fd, EPOLLIN, opening_dispatch,
                            opening);
        if (r < 0)
                return r;
        snprintf(object, sizeof(object), "of pid %d", pid);
        priv_trace(PRIV_EXECUTABLE, object);
        r = start_thread(opening);
        if (r < 0)
                return r;
        (void)take_ptr(opening);
        return 0;
}
