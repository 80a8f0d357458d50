/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The netextd of one `netextctl run`. It lives as long as the owner socket's other end
 * is open: however netextctl ends, netextd ends after it.
 */

#include <stdbool.h>
#include <sys/types.h>

struct run_daemon {
        pid_t pid;
        int pid_fd;   /* readable when it died */
        int owner_fd; /* readable when it is ready; -1 once it was told to end */
        bool ready;
        unsigned int n_starts;
};

#define RUN_DAEMON_NULL                                                                            \
        {                                                                                          \
                .pid_fd = -1, .owner_fd = -1                                                       \
        }

struct run_daemon_configuration {
        const char *instance;
        const char *cgroup;
        const char *extension_cgroup;
        const char *mark_mask;
};

/* 0, or a negative errno after a complaint. What an earlier one left running is adopted. */
int run_daemon_start(struct run_daemon *daemon, const struct run_daemon_configuration *conf);

/* For when owner_fd is readable: notes that it is ready. */
void run_daemon_read_owner(struct run_daemon *daemon);

/* For when pid_fd is readable: takes its wait status. */
int run_daemon_reap(struct run_daemon *daemon);

static inline bool run_daemon_is_alive(const struct run_daemon *daemon)
{
        return daemon->pid_fd >= 0;
}

/* Tells it to end and waits until its kernel objects are gone. 0; -EPIPE if it died before they
 * were; -ETIMEDOUT, after a complaint. */
int run_daemon_end(struct run_daemon *daemon);
