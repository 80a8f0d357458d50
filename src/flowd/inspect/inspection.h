/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * TCP flows whose bytes inspectors see before they go on: outbound from app to upstream, and
 * inbound back. What they say follows the rules of inspect/offsets.h; bytes wait in a bounded
 * window for each direction (inspect/window.h), behind which the sender waits.
 *
 * A flow is under inspection until one of two is told, once, and the inspection is gone:
 *   done    nobody wants to see any more of it, and nothing is held: both sockets are given back
 *   ended   both directions are over, or it was cut; the sockets are closed
 * Any call below may tell it before it returns, but for inspection_new(). No callback is
 * entered while another one for the same flow runs.
 *
 * An end of stream goes on when all before it has, and the inspectors have answered `complete`.
 * A reset does so, too: what a side sent before is inspected and delivered as at an end of
 * stream, then both sides are reset. A cut is at once.
 *
 * Of the loop's thread. A verdict that crosses with done, ended or the removal of its inspector
 * is for nobody: the caller drops it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netext/netext.h>

#define INSPECTION_INSPECTORS_MAX 64
/* For inspection_pool_new(): of all flows. */
#define INSPECTION_BYTES_MAX (64UL * 1024 * 1024)

struct inspection;
struct inspection_pool;
struct loop;

struct inspection_listener {
        /* A question: size bytes (at most WIRE_SLOT_SIZE, at least one) at offset in direction, for
         * inspector. bytes are borrowed. inspection_verdict() answers. One question is open for
         * each inspector and direction, so what is sent at once, before other work, is answered
         * sooner. How many it is shown: all, or the first WIRE_DATA_MAX or more; 0: not now. */
        size_t (*show)(struct inspection *inspection, unsigned int inspector,
                       enum nx_direction direction, uint64_t offset, const void *bytes, size_t size,
                       void *userdata);
        /* A question, too: the direction is at its end. */
        bool (*complete)(struct inspection *inspection, unsigned int inspector,
                         enum nx_direction direction, void *userdata);
        /* The sockets are the callee's; bytes are those that the receiving sockets took. A
         * direction that is over is shut down, and reads as an end of stream again. */
        void (*done)(struct inspection *inspection, int app_fd, int upstream_fd,
                     uint64_t bytes_outbound, uint64_t bytes_inbound, void *userdata);
        /* error: 0, or the negative errno for which both sides were reset:
         * -EPERM         an inspector said DROP
         * -EDEADLK       one holds bytes that no question could free (offsets.h, rule 7)
         * -ENOBUFS       its bytes did not move for a second, and others found no memory
         * -ECONNABORTED  one that may not be missed was removed
         * others         of a socket, or of inspection_cut() */
        void (*ended)(struct inspection *inspection, int error, uint64_t bytes_outbound,
                      uint64_t bytes_inbound, void *userdata);
};

struct inspection_peek {
        uint64_t outbound; /* bytes to show first; 0: any; NX_DATA_BYTES_MAX: none, ever */
        uint64_t inbound;
        uint64_t pass_outbound; /* bytes that go unseen before those */
        uint64_t pass_inbound;
};

struct inspection_setup {
        int app_fd;
        int upstream_fd;
        bool ends_with_upstream; /* of UDP: whoever has its other end ends the flow by closing that
                                  */
        const struct inspection_peek *peeks; /* one for each inspector, in their order */
        unsigned int n_inspectors;
        void *userdata; /* for the listener */
};

struct inspection_verdict {
        enum nx_verdict verdict; /* FILTER_DATA, ALLOW, DROP or PAUSE */
        bool is_update;          /* said unasked: an open question stays open */
        uint64_t pass_bytes;     /* from the shown offset on; of an update: from what it let pass */
        uint64_t peek_bytes;     /* to see next, at least; above WIRE_DATA_MAX: WIRE_DATA_MAX */
};

struct inspection_counts {
        size_t n_open;
        size_t n_bytes; /* memory of windows */
};

/* loop and listener are borrowed until inspection_pool_free(). */
int inspection_pool_new(struct inspection_pool **ret_pool, struct loop *loop,
                        const struct inspection_listener *listener, size_t bytes_max);
/* Resets what is open, without telling; NULL in, NULL out. */
struct inspection_pool *inspection_pool_free(struct inspection_pool *pool);
void inspection_pool_count(const struct inspection_pool *pool,
                           struct inspection_counts *ret_counts);

/* Both sockets are connected, and handed over, also on failure. -EINVAL if nobody wants to see
 * anything, or more than INSPECTION_INSPECTORS_MAX do; -ENOBUFS if the pool's bound is too small
 * for so many. */
int inspection_new(struct inspection **ret_inspection, struct inspection_pool *pool,
                   const struct inspection_setup *setup);

/* 0, or -EBADMSG for what makes no sense: another verdict, no direction, an inspector that never
 * was there. A verdict that is late says nothing about what it let pass before, and that of an
 * inspector that was removed nothing at all. ALLOW and DROP are for both directions. */
int inspection_verdict(struct inspection *inspection, unsigned int inspector,
                       enum nx_direction direction, const struct inspection_verdict *verdict);
/* Questions can be sent to it again. Fine for one that was not refused any. */
void inspection_retry(struct inspection *inspection, unsigned int inspector);
/* Its provider is gone, or too late: let_pass is as ALLOW, else the flow is cut, unless it had seen
 * enough. */
void inspection_remove_inspector(struct inspection *inspection, unsigned int inspector,
                                 bool let_pass);
/* Resets both sides now. error: a negative errno. */
void inspection_cut(struct inspection *inspection, int error);
