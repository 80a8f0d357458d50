/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One flow as an extension sees it: a copy of what flowd said about it. */

#include <netext/flow.h>

#include "base/cleanup.h"
#include "base/endpoint.h"
#include "wire/codec.h"

struct session_run;

enum flow_text {
        FLOW_REMOTE_NAME,
        FLOW_PROGRAM,
        FLOW_COMMAND_LINE,
        FLOW_CGROUP,
        _FLOW_TEXT_MAX,
};

struct nx_flow {
        unsigned int n_refs;
        bool is_paused;
        bool is_program_trusted;
        bool is_attributed;
        struct session_run *run;
        uint64_t identifier;
        enum nx_direction direction;
        int protocol;
        struct endpoint local, remote;
        char local_text[INET6_ADDRSTRLEN], remote_text[INET6_ADDRSTRLEN]; /* once asked for */
        uint64_t started_ns;
        int32_t pid;
        uint32_t uid;
        uint64_t process_started_ns;
        const char *texts[_FLOW_TEXT_MAX]; /* into text, or NULL */
        size_t text_capacity;
        char text[];
};

/* NULL where memory is out. */
struct nx_flow *flow_new(struct session_run *run, const struct wire_message *message);

DEFINE_CLEANUP(struct nx_flow *, flow, nx_flow_unref)
