/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The closed list of what netextd does as root. Each job is done by one file of this
 * folder, names itself in the debug log each time, and says which capabilities it
 * needs; priv_reduce() gives up all others for good. What is not listed here fails
 * with EPERM.
 */

enum priv_job {
        PRIV_FOLDER, /* folder.c, socket-folder.c: the runtime folder, its lock, its sockets */
        PRIV_CGROUP, /* cgroup.c: one cgroup for each extension; killing what is left in it */
        PRIV_PINS,   /* pins.c: the folder in which flowd pins its BPF objects */
        PRIV_SPAWN,  /* spawn.c, user.c, give.c: a daemon or extension with its own uid, as little
                        as it needs, and the folder and descriptors meant for it */
        PRIV_SIGNAL, /* process.c: ending a process that netextd started */
        PRIV_OPEN,   /* file.c: reading a file that the administrator named */
        PRIV_EXECUTABLE, /* executable.c: opening what a process executes, for flowd to read;
                            caller.c: who connects to an endpoint, or to control us */
        PRIV_STORE,      /* staged.c: the state directory; taking over what a worker staged there */
        _PRIV_JOB_MAX,
};

/* Says in the debug log that job is done to object. */
void priv_trace(enum priv_job job, const char *object);

/* Keeps the capabilities of the list, here and in every process started from here. 0, or
 * negative errno after a log line. */
int priv_reduce(void);
