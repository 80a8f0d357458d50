/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One flow as an extension sees it: a copy of what flowd said about it. */

#include <netext/flow.h>

#include "base/cleanup.h"
#include "base/endpoint.h"
#include "wire/codec.h"

struct filter_run;

enum filter_flow_text {
        FILTER_FLOW_REMOTE_NAME,
        FILTER_FLOW_PROGRAM,
        FILTER_FLOW_COMMAND_LINE,
        FILTER_FLOW_CGROUP,
        _FILTER_FLOW_TEXT_MAX,
};

struct nx_flow {
        unsigned int n_refs;
        bool is_paused;
        bool is_program_trusted;
        bool is_attributed;
        struct filter_run *run;
        uint64_t identifier;
        enum nx_direction direction;
        int protocol;
        struct endpoint local, remote;
        char local_text[INET6_ADDRSTRLEN], remote_text[INET6_ADDRSTRLEN]; /* once asked for */
        uint64_t started_ns;
        int32_t pid;
        uint32_t uid;
        uint64_t process_started_ns;
        const char *texts[_FILTER_FLOW_TEXT_MAX]; /* into text, or NULL */
        size_t text_capacity;
        char text[];
};

/* NULL where memory is out. */
struct nx_flow *filter_flow_new(struct filter_run *run, const struct wire_message *message);

/* Decides the flow for good: ALLOW, DROP, REFUSE. */
bool filter_verdict_is_final(enum nx_verdict verdict);

DEFINE_CLEANUP(struct nx_flow *, flow, nx_flow_unref)
