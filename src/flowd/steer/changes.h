/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Tells when others may have changed what is ours in netfilter and policy routing, as
 * `nft flush ruleset` and `ip rule flush` do. The kernel tells each change of anybody's; whoever
 * makes many of them costs us a look every 400 ms.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "footprint/footprint.h"

struct passed;

#define CHANGES_TABLES 2

/* who: "nft (pid 4711)", or "" where that was not seen. A negative errno: call me again. */
typedef int changes_fn(const char *who, void *userdata);

struct changes {
        struct loop *loop; /* borrowed, as tables */
        const char *tables[CHANGES_TABLES];
        changes_fn *fn;
        void *userdata;
        int netfilter_fd; /* owned, as routing_fd; -1 while it is closed */
        int routing_fd;
        struct loop_io netfilter_io;
        struct loop_io routing_io;
        struct loop_timer timer;
        uint64_t pause_ns;  /* between two looks */
        uint64_t looked_ns; /* when the last one was */
        bool has_failed;    /* fn did, and is to be called again */
        bool is_touched;    /* one of the tables, in the transaction that is being read */
        char who[64];
};

#define CHANGES_NULL                                                                               \
        {                                                                                          \
                .netfilter_fd = -1, .routing_fd = -1                                               \
        }

/* fn is called where our tables or our routes may have changed, also by ourselves, but not for what
 * passed forgets. 0 or a negative errno. */
int changes_open(struct changes *changes, struct loop *loop,
                 const char *const tables[static CHANGES_TABLES], const struct passed *passed,
                 changes_fn *fn, void *userdata);
/* Fine on CHANGES_NULL. */
void changes_close(struct changes *changes);
