/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One running configuration: a provider at the other end of a channel, its rules in the
 * kernel, and the flows that wait for its answer. While the provider is replaced there are
 * several of these for one slot, see chain/successor.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "chain/shared.h"
#include "flow/flow.h"
#include "steer/counts.h"
#include "wire/channel.h"
#include "wire/names.h"
#include <netext/filter.h>

struct chain;
struct packet_filter;
struct packet_rules;
struct settings;

/* So long a datagram may be paused (NEFilterNewFlowVerdict, NEFilterDataVerdict). */
#define DATAGRAMS_PAUSE_NS (10 * 1000000000ULL)

enum session_provider {
        PROVIDER_ABSENT,   /* no channel: never had one, or the provider is gone */
        PROVIDER_STARTING, /* start_filter has not answered */
        PROVIDER_RUNNING,
        PROVIDER_FAILED, /* would not start, or broke the protocol */
};

enum session_place {
        SESSION_IN_PLACE, /* in the chain: it is asked about new flows, by its rules */
        SESSION_COMING,   /* its provider starts, to take that place */
        SESSION_LEAVING,  /* it had the place, and keeps the flows that it has */
};

/* How a claimed flow ended. */
struct session_flow_end {
        int error; /* 0 or a negative errno */
        uint64_t bytes_outbound;
        uint64_t bytes_inbound;
};

/* Of a flow that the provider wants reports of. */
struct session_report {
        enum nx_report_event event;
        enum nx_filter_action action;
        bool has_counts;
        struct flow_bytes bytes;
};

/* What a filter says of bytes that it was shown. */
struct session_data_verdict {
        enum nx_direction direction;
        enum nx_verdict verdict;
        bool is_update; /* said unasked */
        uint64_t pass_bytes;
        uint64_t peek_bytes;
};

struct session {
        struct chain *chain; /* whose it is */
        bool in_use;         /* else the slot is free */
        unsigned int slot;
        char name[FLOW_NAME_MAX];
        enum nx_provider_kind kind;
        int32_t order;
        enum nx_filter_grade grade;
        enum wire_fail_policy fail_policy;
        uint64_t verdict_timeout_ns;
        uint64_t ready_timeout_ns;
        uint64_t cgroup_id;  /* of the extension */
        uint64_t activation; /* the place in time, for the order */

        enum session_place place;
        struct list beside; /* chain.beside, unless it is in place */
        bool asked_to_drain;

        enum session_provider provider;
        unsigned int run;         /* which of the slot's providers that is */
        uint32_t process;         /* netextd's number for the process that it is in */
        bool may_inspect;         /* it was granted to see what flows carry */
        unsigned int n_inspected; /* flows whose bytes it asked for, and which are not over */
        struct channel channel;
        struct loop_io io;
        bool wants_write;
        bool is_urgent;               /* somebody waits for what is in the batch */
        struct loop_timer news_timer; /* runs while the batch has only news */
        struct loop_timer ready_timer;
        struct loop_timer verdict_timer;
        struct loop_timer pause_timer; /* while flows of datagrams are paused */
        struct shared shared;          /* what it is shown many of */
        bool has_shared;               /* or could not get it: once for each channel */
        struct list starting;          /* flow.waiting: until the provider runs */
        struct list asked;             /* flow.waiting: by deadline */
        struct list paused;            /* flow.waiting: the provider said it takes time */
        struct list opening;           /* flow.waiting: claimed, and not open yet */
        struct list claimed;           /* delivery.link */

        struct settings *coming; /* between BEGIN and COMMIT */
        struct settings *rules;  /* in force */

        struct packet_filter *packets; /* of a packet filter; NULL: there was no room for it */
        struct packet_rules *coming_packets; /* as coming */
        uint64_t coming_packets_id;
};

/* Is it asked about flows? Of packet filters, no: chain/packet-session.h is what they are. */
static inline bool session_is_about_flows(const struct session *session)
{
        return session->kind != NX_PROVIDER_KIND_PACKET_FILTER;
}

static inline bool session_is_proxy(const struct session *session)
{
        return session_is_about_flows(session) && session->kind != NX_PROVIDER_KIND_FILTER;
}

void session_init(struct session *session);
/* Starts a conversation over fd, which it takes; an earlier one ends. process: netextd's number. */
void session_set_channel(struct session *session, int fd, uint32_t process, bool may_inspect);
/* Puts the rules that the provider applied in force. 0 or negative errno. */
int session_put_rules(struct session *session);
/* Flows that waited for the provider to start go through the chain again. */
void session_judge_again(struct session *session);
/* Asks the provider to say when it is done with the sockets that it was given. */
void session_ask_to_drain(struct session *session);
/* Does its fail policy let pass what it was to decide, and does not? Not for ever the same: a
 * policy of last rules goes with those. */
bool session_falls_open(const struct session *session);
/* Hands flow to the provider; the answer comes through chain_answer(). */
void session_ask(struct session *session, struct flow *flow);
/* Its program closed the socket: who paused a connection need not answer, and is told so. */
void session_abandon(struct flow *flow);
/* Shows the provider what the program said first; its answer is as that to session_ask(). */
void session_show(struct session *session, struct flow *flow, const void *bytes, size_t size);
/* Shows a filter the first of bytes of a flow that it inspects, or tells it that there will be no
 * more in that direction. How many it is shown (all, or at least WIRE_DATA_MAX), or 0; or a
 * negative errno: it is not told now. */
int session_show_data(struct session *session, const struct flow *flow, enum nx_direction direction,
                      uint64_t offset, const void *bytes, size_t size);
int session_tell_complete(struct session *session, const struct flow *flow,
                          enum nx_direction direction);
/* Can the provider be given a socket now? It cannot while it does not read what it was given. */
bool session_can_take(const struct session *session);
/* Gives the provider the socket of a flow that it claimed; fd is handed over on success. Else a
 * negative errno: the provider will not get it. */
int session_hand_over(struct session *session, const struct flow *flow, int fd);
/* Tells the provider that a flow which it claimed is over. */
void session_tell_closed(struct session *session, const struct flow *flow,
                         const struct session_flow_end *end);
void session_report_flow(struct session *session, const struct flow *flow,
                         const struct session_report *report);
/* Does it owe answers, all of them to questions that are younger than age_ns? */
bool session_is_thinking(const struct session *session, uint64_t age_ns);
/* It could not be what it is to be: 0 for the message's reader, who goes on without it. */
int session_fail(struct session *session, int error, const char *text);
/* Says what became of settings. 0 or a negative errno. */
int session_answer_settings(struct session *session, uint64_t id, int result);
/* A round of the loop comes soon, whatever happens. */
void session_look_again(struct session *session);
/* Sends what collected in this round. */
void session_flush(struct session *session);
/* Tells the provider that it is over and lets go of everything; flows must be gone by then. */
void session_stop(struct session *session, enum nx_provider_stop_reason reason);
