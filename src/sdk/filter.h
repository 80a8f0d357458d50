/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The filter: its flow channel to netext-flowd, its runs, and the settings it applied.
 *
 * A run lasts from start_filter to stop_filter. Flows belong to one and outlive it
 * where the extension keeps them; run->filter tells whether they can be answered.
 */

#include <netext/filter.h>

#include "base/list.h"
#include "sdk/peer.h"

struct nx_provider;

struct filter_run {
        unsigned int n_refs;      /* the filter's and one for each flow */
        struct nx_filter *filter; /* NULL when the run is over */
};

struct nx_filter {
        struct nx_provider *provider; /* the one that embeds this */
        char *name;                   /* the session's; NULL until a flow channel came */
        struct peer engine;
        struct filter_run *run;              /* NULL while stopped */
        struct nx_flow *spare;               /* the last flow that went, for the next one */
        struct nx_filter_settings *settings; /* in force, or NULL */
        struct list applies;                 /* filter_apply.link, oldest first */
        unsigned int n_applies;
        uint64_t last_apply_id;
        char last_report[WIRE_STRING_MAX];
};

void filter_init(struct nx_filter *filter, struct nx_provider *provider);
/* Ends a run with reason. Safe to repeat. */
void filter_deinit(struct nx_filter *filter, enum nx_provider_stop_reason reason);

static inline bool filter_is_connected(const struct nx_filter *filter)
{
        return peer_is_open(&filter->engine);
}

/* A flow channel that replaces the one before. Takes fd over, also on failure. */
int filter_connect(struct nx_filter *filter, const char *name, int fd);
/* path may be NULL; fd stays the caller's. */
void filter_handle_file(struct nx_filter *filter, const char *name, const char *path, int fd);
int filter_send_verdict(struct nx_filter *filter, uint64_t flow, enum nx_verdict verdict);

struct filter_run *filter_run_ref(struct filter_run *run);
struct filter_run *filter_run_unref(struct filter_run *run);

/* filter-apply.c: the flow channel is new: send it what is in force and what is under way. */
int filter_apply_again(struct nx_filter *filter);
/* PROVIDER_SETTINGS_DONE. */
int filter_apply_done(struct nx_filter *filter, uint64_t id, int result);
/* No answer will come any more. */
void filter_apply_cancel(struct nx_filter *filter);
