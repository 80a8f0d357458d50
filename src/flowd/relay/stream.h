/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One direction of a flow: bytes from one socket to the other, and the end of them.
 *
 * Invariants:
 *  1. What was read and not yet written is held in a pipe or in `rest`, never in both, and
 *     nothing is read before all of it is written. So a reader that is slow stops the writer,
 *     and EAGAIN of splice(2) has one meaning.
 *  2. An empty stream has no pipe.
 *  3. readable and writable may be true in vain, but never false in vain: a side is marked
 *     only when the kernel has said so, and then epoll tells when that changes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/pipes.h"

#define STREAM_BUFFER_SIZE (16 * 1024)

/* Outcomes of carrying, beside negative errnos, which are a side's and end the flow. */
enum {
        STREAM_WAITS = 0, /* for a side, or it is over */
        STREAM_E_TURN,    /* there is more to do, but others want their turn */
};

struct relay;

/* One of the two sockets. */
struct side {
        struct relay *relay;
        int fd;
        bool readable;
        bool writable;
        bool watches_writes; /* epoll tells when it becomes writable: from the first time it is not
                              */
        bool reads_to_end;   /* a short read does not mean that there is nothing more */
        bool is_broken;      /* a read has said so: nobody is there to write to */
        bool is_shared;      /* somebody else may have it, and make it block */
        bool is_hasty; /* it does not block; should it be made to, it waits for a tick at most */
};

/* Bytes that went through the buffer and that the receiver has not taken. */
struct rest {
        size_t start;
        size_t size;
        char bytes[];
};

struct stream {
        struct side *from;
        struct side *to;
        struct pipe *pipe; /* with n_piped bytes */
        size_t n_piped;
        struct rest *rest;
        uint64_t n_bytes; /* written so far */
        bool is_bulk;     /* the last read was worth a pipe */
        bool is_at_end;   /* from will send no more */
        bool is_over;     /* and to has been told */
};

/* What the streams of a worker share. */
struct means {
        struct pipes pipes;
        char buffer[STREAM_BUFFER_SIZE];
};

/* Carries what there is to carry, without blocking. */
int stream_carry(struct stream *stream, struct means *means);
/* The same, and tells the receiver when that was all. */
int stream_pump(struct stream *stream, struct means *means);
/* Drops what it holds. */
void stream_deinit(struct stream *stream, struct means *means);
