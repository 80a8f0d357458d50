/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * UDP flows whose datagrams inspectors see before they go on. As inspect/inspection.h, with these
 * differences:
 *
 *  1. A datagram is shown whole, to one inspector after the other, and each sees them in the order
 *     in which they came. Its offset is the sum of the sizes of those before it, also of those
 *     that an inspector dropped.
 *  2. FILTER_DATA with pass_bytes of at least its size passes it on, less drops it; more lets
 *     what follows pass unseen, as far as it fits in whole. peek_bytes mean nothing.
 *  3. A datagram that was answered with PAUSE is decided by the next update as by an answer.
 *     Other updates only let what is to come pass unseen.
 *  4. Nobody waits for memory or for a socket: what finds no room is dropped, as on any way, and
 *     so is a datagram above WIRE_DATA_MAX while anybody wants to see it.
 *  5. There is no end of stream. A flow goes on, unseen in the end, until its owner cuts it, an
 *     inspector says DROP, or one that may not be missed is removed.
 *  6. Datagrams come from sockets and go to them; or each waits in the kernel while its bytes are
 *     shown, and goes on from there, or does not. Then the flow is done with when nobody wants to
 *     see any more of it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netext/netext.h>

#include "inspect/inspection.h"

/* Of one flow. */
#define DATAGRAMS_QUEUE_MAX (2UL * 1024 * 1024)

struct datagrams;
struct datagrams_pool;
struct loop;

struct datagrams_listener {
        /* A question: bytes are borrowed. False: it cannot be sent now, see datagrams_retry(). */
        bool (*show)(struct datagrams *datagrams, unsigned int inspector,
                     enum nx_direction direction, uint64_t offset, const void *bytes, size_t size,
                     void *userdata);
        /* The datagram that waits in the kernel may go on, or is dropped there. */
        void (*decide)(struct datagrams *datagrams, enum nx_direction direction, uint64_t token,
                       bool passes, void *userdata);
        /* Told once, instead of ended: nobody wants to see more, and the kernel has them all. */
        void (*done)(struct datagrams *datagrams, uint64_t bytes_outbound, uint64_t bytes_inbound,
                     void *userdata);
        /* Told once; the sockets are closed. error: as in inspection.h. */
        void (*ended)(struct datagrams *datagrams, int error, uint64_t bytes_outbound,
                      uint64_t bytes_inbound, void *userdata);
};

struct datagrams_counts {
        size_t n_open;
        size_t n_bytes;     /* that wait */
        uint64_t n_dropped; /* for want of room, ever */
};

/* loop and listener are borrowed until datagrams_pool_free(). bytes_max: of all flows. */
int datagrams_pool_new(struct datagrams_pool **ret_pool, struct loop *loop,
                       const struct datagrams_listener *listener, size_t bytes_max);
/* Closes what is open, without telling; NULL in, NULL out. */
struct datagrams_pool *datagrams_pool_free(struct datagrams_pool *pool);
void datagrams_pool_count(const struct datagrams_pool *pool, struct datagrams_counts *ret_counts);

/* Both sockets are connected, and handed over, also on failure; or both are -1: datagrams wait in
 * the kernel. -EINVAL for more inspectors than INSPECTION_INSPECTORS_MAX; none at all are fine. */
int datagrams_new(struct datagrams **ret_datagrams, struct datagrams_pool *pool,
                  const struct inspection_setup *setup);

/* One that waits in the kernel, which knows it by token. bytes are copied; of more than
 * WIRE_DATA_MAX they are not looked at. */
void datagrams_take(struct datagrams *datagrams, enum nx_direction direction, const void *bytes,
                    size_t size, uint64_t token);

/* 0, or -EBADMSG for what makes no sense, as inspection_verdict(). */
int datagrams_verdict(struct datagrams *datagrams, unsigned int inspector,
                      enum nx_direction direction, const struct inspection_verdict *verdict);
void datagrams_retry(struct datagrams *datagrams, unsigned int inspector);
void datagrams_remove_inspector(struct datagrams *datagrams, unsigned int inspector,
                                bool is_let_pass);
/* Closes both sides now. error: 0 or a negative errno, to be told. */
void datagrams_cut(struct datagrams *datagrams, int error);
