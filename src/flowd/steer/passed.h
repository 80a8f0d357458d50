/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The kernel's memory of UDP flows: sets of 4-tuples in our table. A TCP connection is
 * asked about once, at its first segment; UDP has no first datagram, so a flow that
 * passed is kept in a set, and its later datagrams meet the set instead of the queue.
 * (The connection table would do it too, but switching it on costs every program on the
 * machine 8 to 9 % of its connection rate, and it may not be there.)
 *
 * Elements live PASSED_SECONDS; then the next datagram is asked about again, which flowd
 * answers from its table. They are taken back when the program closes its socket: another
 * program that gets the port must not inherit what was decided for the one before.
 *
 * Those of claimed flows, and of flows that others began, begin their life anew with each
 * datagram, also with those that come back: what is left of it tells how long the flow is idle.
 * The kernel writes it down anyway, so that costs nothing until somebody asks. A claimed flow's
 * lives longer than any proxy waits; one that others began is over with it.
 *
 * What passed must not overtake what its program said before, and that may lie in the queue yet,
 * for as long as flowd, or the program, does not get to run. So the kernel notes, before a datagram
 * goes into the queue, that one of its flow did (`asked`), and of each that follows it that there
 * were more (`lined`). The verdict on the first puts the flow into `passed`: it goes on without the
 * queue, unless there were more. Then these line up behind it, and flowd knows them by their
 * mark; their verdict puts the flow into `passing`, which says no more than that it passed. Then
 * flowd has the flow begin anew (passed_line_up()): in one transaction it is forgotten as passed,
 * as asked and as lined, so that its next datagram is a first one again. A program says one thing
 * after the other, and the queue keeps the order: when the verdict on a first one comes, all that
 * was queued before it is out of the queue, and of what was queued behind it `lined` tells. No time
 * is in this, but that flowd owes a verdict for no longer than LINE_SECONDS.
 *
 * What is left: the verdict's rule comes a few microseconds before the datagram is on the wire, and
 * a program that speaks just then may be faster on another processor. Several threads that speak
 * through one socket to one destination can find the flow in between two of these steps together.
 * And who speaks without a pause would never come out of the queue: see engine/line.c.
 *
 * A flow that somebody ended is in a set of its own, whose datagrams pass neither way: for as long
 * as its program tries, and PASSED_SECONDS.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "wire/table.h"

#define PASSED_SECONDS  120
#define LINE_SECONDS    60
#define CLAIMED_SECONDS (WIRE_UDP_IDLE_S_MAX + 60)
#define PASSED_MAX      65536

/* Source, destination, their ports, as in the headers; each field padded to 4 bytes. */
#define PASSED_KEY_IPV4 16
#define PASSED_KEY_IPV6 40

struct passed {
        int fd;            /* owned; -1 while it is closed */
        const char *table; /* borrowed */
        bool can_destroy;  /* the kernel can destroy elements that may not be there */
};

#define PASSED_NULL                                                                                \
        {                                                                                          \
                .fd = -1                                                                           \
        }

/* 0 or a negative errno. */
int passed_open(struct passed *passed, const char *table);
/* Fine on PASSED_NULL. */
void passed_close(struct passed *passed);
/* Takes a flow out of its sets, if it is there. */
void passed_forget(const struct passed *passed, const struct endpoint *local,
                   const struct endpoint *remote);
/* The same of one that a program here began, and that was neither claimed nor ended: it is in fewer
 * sets, and there are many of these. has_lined: more than its first datagram was in the queue. */
void passed_forget_plain(const struct passed *passed, const struct endpoint *local,
                         const struct endpoint *remote, bool has_lined);
/* Takes a flow out of its sets, and from now on none of its datagrams passes. 0 or a negative
 * errno. */
int passed_end(const struct passed *passed, const struct endpoint *local,
               const struct endpoint *remote);

/* Its next datagram in the queue is to be known as the first one there. The verdicts so far have to
 * be with the kernel. */
void passed_line_up(const struct passed *passed, const struct endpoint *local,
                    const struct endpoint *remote);
/* It goes on without the queue, whatever lies there. */
void passed_settle(const struct passed *passed, const struct endpoint *local,
                   const struct endpoint *remote);

/* The same of a connection, where the kernel cannot end it; and the end of that: its ends are
 * somebody else's then. */
int passed_cut(const struct passed *passed, const struct endpoint *local,
               const struct endpoint *remote);
void passed_mend(const struct passed *passed, const struct endpoint *local,
                 const struct endpoint *remote);

/* A flow that the kernel remembers; it may be told more than once. */
typedef void passed_fn(const struct endpoint *local, const struct endpoint *remote, bool is_claimed,
                       void *userdata);
/* Each UDP flow that is there; none where there is no table yet. 0 or a negative errno. */
int passed_list(const struct passed *passed, passed_fn *fn, void *userdata);

enum passed_kind {
        PASSED_CLAIMED, /* a proxy has it */
        PASSED_SERVED,  /* another host began it */
        PASSED_WATCHED, /* the same, and filters see its datagrams */
        PASSED_HEARD,   /* another host began it, to a group */
        PASSED_KIND_MAX,
};

/* For how long no datagram of a flow has passed, to the millisecond. 0, -ENOENT if it is none of
 * that kind or the time is over, or another negative errno. */
int passed_get_idle(const struct passed *passed, enum passed_kind kind,
                    const struct endpoint *local, const struct endpoint *remote,
                    uint64_t *ret_idle_ns);
