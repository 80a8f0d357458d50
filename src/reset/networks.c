/* SPDX-License-Identifier: Apache-2.0 */

/* The walk begins in our own namespace and comes back to it. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>

#include "footprint/network.h"
#include "reset/networks.h"

struct visit {
        struct reset *reset;
        in_network_fn *fn;
        void *userdata;
        bool is_first;
};

static int enter(int fd, uint64_t inode, void *userdata)
{
        struct visit *visit = userdata;
        char where[64] = "";

        if (!visit->is_first)
                snprintf(where, sizeof(where), " in network namespace %llu",
                         (unsigned long long)inode);
        visit->is_first = false;
        if (setns(fd, CLONE_NEWNET) < 0)
                reset_tell(visit->reset, DEED_REMOVE, -errno, "what may be%s", where);
        else
                visit->fn(visit->reset, where, visit->userdata);
        return 0;
}

void networks_visit(struct reset *reset, in_network_fn *fn, void *userdata)
{
        struct visit visit = { .reset = reset, .fn = fn, .userdata = userdata, .is_first = true };
        _cleanup_fd_ int own_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        int r;

        r = own_fd < 0 ? -errno : network_for_each(enter, &visit);
        if (r < 0)
                reset_tell(reset, DEED_REMOVE, r, "what is in other network namespaces");
        if (own_fd >= 0)
                (void)setns(own_fd, CLONE_NEWNET);
}
