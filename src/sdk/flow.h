/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One flow as an extension sees it: a copy of what flowd said about it. */

#include <netext/filter.h>
#include <netext/flow.h>

#include "base/cleanup.h"
#include "base/endpoint.h"
#include "base/htable.h"
#include "base/list.h"
#include "wire/codec.h"

struct ask;
struct letter;
struct session_run;

enum flow_text {
        FLOW_REMOTE_NAME,
        FLOW_PROGRAM,
        FLOW_PROGRAM_DIGEST,
        FLOW_PROGRAM_SIGNER,
        FLOW_COMMAND_LINE,
        FLOW_PARENTS,
        FLOW_RESPONSIBLE_PROGRAM,
        FLOW_CGROUP,
        FLOW_UNIT,
        FLOW_CONTAINER,
        FLOW_CREATOR_PROGRAM,
        FLOW_ORIGIN_PROGRAM,
        FLOW_ORIGIN_PROGRAM_DIGEST,
        FLOW_ORIGIN_PROGRAM_SIGNER,
        FLOW_ORIGIN_CGROUP,
        FLOW_RULE,
        _FLOW_TEXT_MAX,
};

enum flow_state {
        FLOW_ASKED, /* handle_new_flow or handle_peek has it */
        FLOW_PAUSED,
        FLOW_PEEKED, /* its first bytes are on their way to us */
        FLOW_CLAIMED,
        FLOW_INSPECTED,
        FLOW_SETTLED, /* inspected, and its bytes are not asked about any more */
        FLOW_DECIDED,
        FLOW_REPORTED, /* decided, and reports of it are yet to come */
        FLOW_OVER,     /* was kept, and ended */
};

/* What the extension did with a flow that it claims. */
enum flow_way {
        FLOW_WAY_NONE,
        FLOW_WAY_OPEN,
        FLOW_WAY_FAIL,
        FLOW_WAY_SPLICE,
};

struct nx_flow {
        unsigned int n_refs;
        enum flow_state state;
        enum flow_way way;
        int open_result;     /* of FLOW_WAY_OPEN and FLOW_WAY_FAIL */
        int upstream_fd;     /* owned: of FLOW_WAY_SPLICE until the verdict is sent, else -1 */
        bool has_socket;     /* of the program's end, handed to handle_open */
        uint32_t peek_bytes; /* of the next or last PEEK; 0: nobody said how many */
        uint32_t peek_timeout_ms;
        uint64_t peek_outbound, peek_inbound; /* of FILTER_DATA */
        uint32_t remember_s;                  /* of ALLOW, DROP and REFUSE; 0: not */
        bool wants_reports;
        enum nx_report_frequency report_frequency;
        enum nx_direction asked; /* whose bytes a function of the extension looks at now, or any */
        struct htable_link kept; /* session_run.kept; see kept.c for its reference */
        struct letter *question; /* owned: of nx_flow_ask(), or NULL */
        struct ask *ask;         /* that it waits for, or NULL */
        struct list asking;      /* ask.flows */
        enum wire_reason reason; /* what came of its question, or 0 */
        bool is_program_trusted;
        bool is_attributed;
        struct session_run *run;
        void *userdata; /* the extension's */
        uint64_t identifier;
        enum nx_direction direction;
        int protocol;
        struct endpoint local, remote;
        char local_text[INET6_ADDRSTRLEN], remote_text[INET6_ADDRSTRLEN]; /* once asked for */
        uint64_t started_ns;
        int32_t pid;
        int32_t responsible_pid;
        int32_t creator_pid;
        uint32_t uid;
        uint64_t process_started_ns;
        uint64_t origin_flow;
        int32_t origin_pid;
        uint32_t origin_uid;
        bool is_origin_trusted;
        char *package; /* owned: its program's, once asked for */
        bool was_asked_for_package;
        const char *texts[_FLOW_TEXT_MAX]; /* into text, or NULL */
        size_t text_capacity;
        char text[];
};

/* NULL where memory is out. */
struct nx_flow *flow_new(struct session_run *run, const struct wire_message *message);

DEFINE_CLEANUP(struct nx_flow *, flow, nx_flow_unref)
