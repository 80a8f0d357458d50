/* SPDX-License-Identifier: Apache-2.0 */

/* fuzz-sources: src/flowd/steer/changes.c src/base/loop.c */
/* fuzz-flags: -lmnl -Wl,--wrap=socket,--wrap=bind,--wrap=setsockopt,--wrap=getsockname */

/*
 * What the kernel tells of other people's changes, by netlink. Whoever changed something is a short
 * line of text, and nobody is told of a change where there was no message.
 */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "steer/changes.h"
#include "steer/passed.h"

#include "datagrams.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_socket(int family, int type, int protocol);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *size);

static int theirs[2]; /* the kernel's ends: netfilter's and routing's */
static unsigned int n_sockets;
static size_t n_changes;

int __wrap_socket(int family, int type, int protocol)
{
        int fds[2];

        datagram_pair(fds);
        theirs[n_sockets++ % 2] = fds[1];
        return fds[0];
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
        return 0;
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
        return 0;
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
        return 0;
}

static int on_change(const char *who, void *userdata)
{
        const struct changes *changes = userdata;

        if (strnlen(who, sizeof(changes->who)) == sizeof(changes->who))
                abort();
        n_changes++;
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const tables[CHANGES_TABLES] = { "netext", "netext-packets" };
        const struct passed passed = { .fd = -1 };
        struct changes changes;
        struct loop loop;
        bool any = false;

        if (loop_init(&loop) < 0 ||
            changes_open(&changes, &loop, tables, &passed, on_change, &changes) < 0)
                abort();
        n_changes = 0;
        while (send_datagram(theirs[0], &data, &size))
                any = true;
        if (loop_dispatch(&loop, 0) < 0 || n_changes > any)
                abort();
        changes_close(&changes);
        loop_deinit(&loop);
        close_fd(theirs[0]);
        close_fd(theirs[1]);
        return 0;
}
