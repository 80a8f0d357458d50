/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One way to watch children and adopted processes alike: a pidfd becomes readable when
 * its process ends. Of an adopted one the exit status is not ours to read, and we say so.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/started.h"
#include "manager/priv/priv.h"
#include "manager/priv/process.h"

static bool describe_end(int pidfd, char *buffer, size_t size)
{
        siginfo_t info = {};

        if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0) {
                snprintf(buffer, size, "ended (started by an earlier netextd)");
                return true;
        }
        if (info.si_code == CLD_EXITED)
                snprintf(buffer, size, "exited with status %d", info.si_status);
        else
                snprintf(buffer, size, "killed by signal %d (%s)", info.si_status,
                         strsignal(info.si_status));
        return info.si_code == CLD_EXITED && info.si_status == 0;
}

static int process_dispatch(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct process *process = userdata;
        char how[128];
        bool clean;

        clean = describe_end(process->fd, how, sizeof(how));
        process_close(process);
        process->ended_fn(how, clean, process->userdata);
        return 0;
}

static bool has_ended(int pidfd)
{
        struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };

        return poll(&pollfd, 1, 0) != 0;
}

int process_open(struct process *process, sd_event *event, pid_t pid, uint64_t started,
                 process_ended_fn *ended_fn, void *userdata)
{
        _cleanup_fd_ int fd = -1;
        uint64_t found = 0;
        int r;

        fd = pidfd_open(pid, 0);
        if (fd < 0)
                return -errno;
        /* Read after the pidfd is held: if that one still lives, it is the one we read about. */
        r = started_read(pid, &found);
        if (r < 0)
                return r;
        if (started && (started != found || has_ended(fd)))
                return -ESRCH;
        r = sd_event_add_io(event, &process->source, fd, EPOLLIN, process_dispatch, process);
        if (r < 0)
                return r;
        process->pid = pid;
        process->started = found;
        process->fd = take_fd(&fd);
        process->ended_fn = ended_fn;
        process->userdata = userdata;
        return 0;
}

void process_close(struct process *process)
{
        process->source = sd_event_source_disable_unref(process->source);
        process->fd = close_fd(process->fd);
        process->pid = 0;
        process->started = 0;
}

bool process_is_stopped(const struct process *process)
{
        return process_is_alive(process) && started_read_state(process->pid) == 'T';
}

void process_signal(const struct process *process, int signal)
{
        char object[64];

        if (!process_is_alive(process))
                return;
        snprintf(object, sizeof(object), "%d to pid %d", signal, process->pid);
        priv_trace(PRIV_SIGNAL, object);
        (void)pidfd_send_signal(process->fd, signal, NULL, 0);
}
