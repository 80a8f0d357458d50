/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What one program may have of what all share: places in the queue of packets that wait for a
 * verdict, and descriptors for flows that are delivered. Whatever it opens, something is left for
 * others. A program is an executable that a user runs, in however many processes; all flows of no
 * known program are one's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/htable.h"
#include "base/list.h"

struct flow;
struct share;

struct quota {
        struct htable shares; /* share.link */
        struct list all;      /* share.all */
        uint32_t n_waiting_max;
        uint32_t n_delivered_max;
        uint64_t reported_ns;
};

int quota_init(struct quota *quota);
void quota_deinit(struct quota *quota);
/* As many descriptors there are. */
void quota_set_descriptors(struct quota *quota, uint32_t n);

/* The flow begins to wait for a provider, until quota_leave(). False: its program has as many that
 * wait as it may; the log says so, once in a while. True where it waits already. */
bool quota_wait(struct quota *quota, struct flow *flow);
/* One more packet of a flow comes to be held. False: the queue has enough of its program's. */
bool quota_hold(const struct quota *quota, const struct flow *flow);
/* All its packets that are held go on. */
void quota_release(const struct flow *flow);
/* Fine on a flow that does not wait. */
void quota_leave(struct quota *quota, struct flow *flow);

/* May another flow of its program be delivered? True of one that is. */
bool quota_may_deliver(struct quota *quota, const struct flow *flow);
/* It is, with descriptors of its own, until quota_undeliver(). NULL: there is no memory to count.
 */
struct share *quota_deliver(struct quota *quota, const struct flow *flow);
/* NULL in, NULL out. */
struct share *quota_undeliver(struct quota *quota, struct share *share);
