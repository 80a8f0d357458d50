/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How many bytes a flow had: what its program said, and what came for it. Of TCP the kernel knows
 * that anyway; datagrams are counted for the flows that are watched, and cost others a little only
 * while there are some.
 */

#include <stdbool.h>
#include <stdint.h>

#include <netext/netext.h>

#include "bpf/steer.abi.h"

struct flow_bytes {
        uint64_t outbound;
        uint64_t inbound;
};

/* False where the tally does not tell: of a connection that was reset. direction: who began it. */
bool counts_of_connection(enum nx_direction direction, const struct steer_tally *tally,
                          struct flow_bytes *ret_bytes);

struct bpf_link;
struct hooks;

/* Those who count. Zero is none. */
struct counts {
        struct hooks *hooks;                 /* borrowed */
        struct bpf_link *outbound, *inbound; /* NULL while nothing is watched */
        unsigned int n_watched;              /* flows of datagrams */
        unsigned int n_connections;          /* whose tally somebody wants */
};

/* 0 or a negative errno: this kernel does not count, or memory is short. */
int counts_watch(struct counts *counts, const struct steer_counted_flow *flow);
bool counts_read(struct counts *counts, const struct steer_counted_flow *flow,
                 struct flow_bytes *ret_bytes);
void counts_forget(struct counts *counts, const struct steer_counted_flow *flow);
/* From now on, until as many calls with false, connections are told with their tally. */
void counts_want_tally(struct counts *counts, bool wanted);
/* Nothing is counted any more. */
void counts_stop(struct counts *counts);
