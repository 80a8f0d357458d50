/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A netextd that has nothing but endpoints: the real ones of src/manager/endpoint, in a process
 * of its own, and extensions, which are forked from it and restarted whenever they die. /run is
 * private to the test.
 */

#include <netext/extension.h>

#include "bundle/manifest.h"

#define HOST_INSTANCE "test"
#define HOST_TEAM     "EXAMPLE"

struct host_extension {
        const char *identifier;
        const struct nx_extension *table;
        const struct manifest_endpoint *declarations;
        size_t n_declarations;
};

struct host {
        const struct host_extension *extensions;
        size_t n_extensions;
        int pid;
        int fd; /* where it is asked */
};

enum host_command {
        HOST_PID = 1,    /* of the process of the extension; 0: none is ready */
        HOST_PID_BEFORE, /* of the one that it replaced; 0: it has ended */
        HOST_KILL,       /* SIGKILL, wherever it stands; another one comes */
        HOST_HOLD,       /* no other one comes when it dies, until … */
        HOST_GO_ON,      /* … this */
        HOST_FAIL,       /* it is killed and has failed for good: "it has failed, says the test" */
        HOST_REPLACE,    /* another process takes over, the old one is ended */
        HOST_DEACTIVATE, /* and its names are gone */
        HOST_ACTIVATE,
        HOST_WAITING,     /* how many connections wait for it */
        HOST_REFUSED,     /* how many were refused */
        HOST_CONNECTIONS, /* how many were handed over */
        HOST_WANTED,      /* how often it wanted a peer that was not there */
        HOST_DESCRIPTORS, /* that the host has open */
        _HOST_COMMAND_MAX,
};

/* A private /run; before anything else. 0 or negative errno: the test is to be skipped. */
int host_enter_private_run(void);
/* In the caller's process: returns when whoever holds fd leaves. */
int host_serve(const struct host_extension *extensions, size_t n_extensions, int fd);
/* In a process of its own. */
void host_start(struct host *host, const struct host_extension *extensions, size_t n_extensions);
void host_stop(struct host *host);
/* The answer. index: of the extension. */
int host_ask(struct host *host, enum host_command command, size_t index);
/* Asks until the answer is that; gives up with a failed assertion after 10 s. */
void host_await(struct host *host, enum host_command command, size_t index, int answer);
