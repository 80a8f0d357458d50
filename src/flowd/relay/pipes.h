/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The pipes of one worker. A stream borrows one while it has bytes in flight, so that there
 * are as many as streams that move or are stuck, not as many as flows.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct pipe {
        struct list link; /* pipes.idle[is_large] */
        int read_fd;
        int write_fd;
        size_t size;
        bool is_large;
};

struct pipes {
        struct list idle[2];     /* pipe.link, by is_large */
        unsigned int n_idle[2];  /* of them */
        unsigned int n_pipes[2]; /* idle or borrowed */
        unsigned int n_skips[2]; /* how often not to try, after the kernel has refused one */
};

void pipes_init(struct pipes *pipes);
/* All that were borrowed have been returned. */
void pipes_deinit(struct pipes *pipes);

/* An empty pipe, a large one if possible where that is wanted. NULL: there is none to be had. */
struct pipe *pipes_borrow(struct pipes *pipes, bool wants_large);
/* is_empty: false if bytes are left in it; they are dropped. */
void pipes_return(struct pipes *pipes, struct pipe *pipe, bool is_empty);
