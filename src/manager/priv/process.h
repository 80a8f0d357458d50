/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A process that netextd started, this one or an earlier one. A pid with its start time
 * is a process for ever, a pidfd is one for as long as it is held.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* how: "exited with status 1", "killed by signal 9 (Killed)". clean: it exited with 0, or
 * nobody can tell. The process is closed already. */
typedef void process_ended_fn(const char *how, bool clean, void *userdata);

struct process {
        pid_t pid;        /* 0: none */
        uint64_t started; /* clock ticks since boot */
        int fd;
        sd_event_source *source;
        process_ended_fn *ended_fn;
        void *userdata;
};

#define PROCESS_NULL                                                                               \
        {                                                                                          \
                .fd = -1                                                                           \
        }

/* started: what was written down about it, or 0 for a child just made. -ESRCH: it is gone, and
 * its pid may be somebody else's. */
int process_open(struct process *process, sd_event *event, pid_t pid, uint64_t started,
                 process_ended_fn *ended_fn, void *userdata);
/* Stops watching; the process goes on. Fine on PROCESS_NULL and twice. */
void process_close(struct process *process);

static inline bool process_is_alive(const struct process *process)
{
        return process->pid != 0;
}

/* By a signal: it does nothing until another one lets it go on. */
bool process_is_stopped(const struct process *process);
void process_signal(const struct process *process, int signal);
