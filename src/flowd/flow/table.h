/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * All flows that flowd knows: those that are being decided, those that are open, and the
 * last FLOW_CLOSED_MAX that ended. Bounded: when it is full the oldest decided flow is
 * forgotten, which changes nothing for its packets. A flow with a delivery stays, and one that
 * filters want reports of, until it is over.
 */

#include <linux/types.h>
#include <sys/types.h>

#include "base/htable.h"
#include "base/list.h"
#include "flow/flow.h"

#define FLOW_TABLE_MAX  131072
#define FLOW_CLOSED_MAX 4096

struct owners;

struct flow_table {
        struct owners *owners; /* borrowed */
        struct htable by_id;
        struct htable by_tuple;
        struct htable by_socket;
        struct list ages;   /* flow.age, the oldest first */
        struct list closed; /* flow.closed, the first to end first */
        size_t n_flows, n_flows_max;
        size_t n_closed;
        __u64 *last_id; /* borrowed */
};

/* Flows are numbered on from last_id, which is kept there for the next flowd. */
int flow_table_init(struct flow_table *table, struct owners *owners, __u64 *last_id);
void flow_table_deinit(struct flow_table *table);

/*
 * Adds a copy of flow with an id of its own; flow->process, origin, asker and creator are handed
 * over. NULL, with all put, if memory is short or the table is full of flows being decided.
 */
struct flow *flow_table_add(struct flow_table *table, const struct flow *flow);

struct flow *flow_table_find(struct flow_table *table, uint64_t id);
/* The newest flow of these endpoints that came undecided, or NULL: what rules decided at
 * socket time never sends a packet here. */
struct flow *flow_table_find_tuple(struct flow_table *table, uint8_t protocol,
                                   const struct endpoint *local, const struct endpoint *remote);

/* The newest of those that is the socket's, or NULL. */
struct flow *flow_table_find_member(struct flow_table *table, uint64_t cookie,
                                    const struct endpoint *local, const struct endpoint *remote);

/* The newest flow of the socket, or NULL. */
struct flow *flow_table_find_socket(struct flow_table *table, uint64_t cookie);
/* Notes the end of a decided flow; the flow that ended longest ago may go for it, never this one.
 */
void flow_table_close(struct flow_table *table, struct flow *flow, uint64_t at_ns);
/* Somebody else takes its place. */
void flow_table_forget(struct flow_table *table, struct flow *flow);
/* Its delivery is over: the flow may be forgotten from now on. */
void flow_table_unpin(struct flow_table *table, struct flow *flow);

/* The numbers of the flows that fn is true for, oldest first; the caller's to free. How many, or
 * -ENOMEM. What is done to one may forget another, so they are looked for again by number. */
typedef bool flow_test_fn(const struct flow *flow, const void *userdata);
ssize_t flow_table_select(const struct flow_table *table, flow_test_fn *fn, const void *userdata,
                          uint64_t **ret_ids);

/* Calls fn for each flow of the socket. */
typedef void flow_fn(struct flow *flow, void *userdata);
void flow_table_for_socket(struct flow_table *table, uint64_t cookie, flow_fn *fn, void *userdata);
