/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One TCP connection or one UDP 4-tuple: who, where, when, and what was decided. */

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "base/htable.h"
#include "base/list.h"
#include "base/wheel.h"
#include "bpf/steer.abi.h"
#include <netext/netext.h>
#include "steer/queue.h"
#include "wire/names.h"

#define FLOW_HELD_MAX 32 /* packets of one flow that wait; more are dropped and counted */
#define FLOW_NAME_MAX 64 /* a session's name; what is longer is cut */
#define FLOW_RULE_MAX 64 /* a rule's label */

struct delivery;
struct gathering;
struct process;
struct session;
struct share;

/* A session that wants to see the flow's bytes; in the order in which they see them. */
struct flow_inspector {
        unsigned int slot;
        uint64_t activation;    /* of the session: another one can come to its slot */
        unsigned int run;       /* of its provider, which asked for them */
        uint64_t peek_outbound; /* bytes to show first; 0: any; UINT64_MAX: none */
        uint64_t peek_inbound;
        uint64_t pass_outbound; /* bytes to let go before those */
        uint64_t pass_inbound;
        bool drops;           /* said so before there were bytes */
        bool is_over;         /* it sees no more of them, whoever it was */
        uint64_t asked_ns[2]; /* inbound, outbound: since when it owes an answer, or 0 */
        uint64_t paused_ns;   /* since when a datagram waits because it paused, or 0 */
};

/* A filter that wants reports of the flow. */
struct flow_reporter {
        unsigned int slot;
        uint64_t activation; /* of the session, as above */
        unsigned int run;
        uint64_t period_ns; /* of its statistics; 0: none */
        uint64_t next_ns;   /* when the next is due */
};

struct flow_reports {
        struct flow *flow; /* whose they are */
        struct wheel_timer timer;
        bool is_counted; /* of datagrams: by the kernel */
        bool is_closing; /* only the last report is missing */
        unsigned int n;
        struct flow_reporter reporters[];
};

struct flow {
        uint64_t id;
        struct htable_link by_id;
        struct htable_link by_tuple;
        struct htable_link by_socket;
        struct list age;    /* flow_table.ages */
        struct list closed; /* flow_table.closed, once it is and its delivery is over */

        uint8_t protocol;
        enum nx_direction direction;
        struct endpoint local;
        struct endpoint remote;
        bool is_for_group; /* of datagrams to a group: its socket is one of those that they reach */
        uint32_t sequence;  /* of an inbound one's first segment: repeated ones have the same */
        uint32_t interface; /* that it came in through, 0: it cannot be inspected there; or that its
                               socket is bound to, 0: none */
        char bound_to[IF_NAMESIZE]; /* and its name */
        bool is_older;      /* it was open when we found it: nobody saw it begin */

        enum wire_owner owner;
        bool is_owner_holder;    /* nobody saw who began it: the owner had its socket */
        struct process *process; /* counted; NULL unless the owner is a program */
        struct process *creator; /* counted; who made the socket, if not its owner; or NULL */
        struct process *last_sender; /* counted; the same of the last datagram, once it is over */
        uint32_t uid;
        uint64_t origin_flow;   /* the flow that this one carries on, or 0 */
        struct process *origin; /* counted; whose flow that is, or NULL */
        uint64_t origin_cgroup_id;
        uint32_t origin_uid;
        struct process *asker;    /* counted; of a resolver's query: who may have asked for it first */
        bool has_several_askers;  /* and somebody else did, too */
        uint64_t skip_slots; /* sessions that it passed, one bit each */
        uint32_t egress;     /* of what carries a flow on: enum steer_egress */
        uint64_t cgroup_id;
        uint64_t socket_cookie;

        uint64_t started_ns; /* CLOCK_BOOTTIME, like all of a flow's times; 0: not yet */
        uint64_t decided_ns;
        uint64_t closed_ns;

        enum nx_verdict verdict;
        enum wire_reason reason;
        char decided_by[FLOW_NAME_MAX]; /* a session, or empty */
        char rule[FLOW_RULE_MAX];
        int error;                 /* of verdict REFUSE and DROP: what the upstream said, or 0 */
        struct delivery *delivery; /* from the claim until it is out of our hands; owned by it */
        bool is_delivered;         /* its packets go to our listener, whatever its verdict */
        bool is_stray; /* its first datagram lost its way to a socket: it cannot simply pass */
        struct flow_inspector *inspectors; /* owned */
        unsigned int n_inspectors;
        enum wire_flow_end ended_by;  /* where that was not its program */
        char *ended_session;          /* the filter's, where that was one; owned */
        uint64_t newest_session;      /* session.activation of the last one before it began */
        bool has_counts;              /* those that follow are what it had */
        struct flow_reports *reports; /* owned; NULL: nobody wants any */
        uint64_t bytes_outbound;      /* of one that is over: carried by us, or counted */
        uint64_t bytes_inbound;
        bool was_queued;  /* it is one of datagrams that a program here sends, and some waited … */
        uint32_t n_lined; /* … behind others of it, see engine/line.h … */
        uint32_t n_behind; /* … and those since the last one that was the first in the queue */
        bool has_begun_anew; /* and its next first one has not come yet */
        struct wheel_timer idle_timer; /* of an open one that is a call: engine/callers.h */
        bool is_unshown; /* decided by rules; those who watch hear of it with its local end */

        /* while it is being decided */
        struct steer_outcome judged; /* what the rules said of it, the last time */
        uint64_t asked_slots;        /* of judged.ask_slots those that have answered */
        uint64_t late_slots;     /* those whose answer, and all that follows it, comes too late */
        uint64_t digest_request; /* that its program is being identified by, see chain/identify.h */
        bool has_no_digest;      /* its program cannot be identified in time */
        bool is_judged_again;    /* it passed, and goes on meanwhile: see chain/again.h */
        unsigned int hops; /* claimed flows that stand behind this one, as far as we can tell */
        struct session *waits_for;
        struct share *share; /* its program's, in which it counts, or NULL: chain/quota.h */
        bool is_paused; /* it said that its answer takes time */
        struct gathering *gathering; /* which waits for it; engine/groups.h */
        struct list waiting; /* session.asked or session.paused; chain.unidentified;
                                intake.unshown or intake.unplaced; groups.flows, once decided */
        uint64_t deadline_ns;
        unsigned int n_held;
        struct queue_held held[FLOW_HELD_MAX];
};

/* Of datagrams, and another host began it. */
static inline bool flow_is_call(const struct flow *flow)
{
        return flow->protocol == IPPROTO_UDP && flow->direction == NX_DIRECTION_INBOUND;
}

/* Its verdict was changed after it had passed. */
static inline bool flow_was_ended(const struct flow *flow)
{
        return flow->ended_by == WIRE_END_FILTER || flow->ended_by == WIRE_END_PERSON ||
               flow->ended_by == WIRE_END_JUDGED_AGAIN;
}

static inline bool flow_was_denied(const struct flow *flow)
{
        return flow->verdict == NX_VERDICT_REFUSE || flow->verdict == NX_VERDICT_DROP;
}

static inline enum wire_flow_state flow_state(const struct flow *flow)
{
        if (flow->verdict == NX_VERDICT_NONE)
                return WIRE_FLOW_HELD;
        return flow->closed_ns ? WIRE_FLOW_CLOSED : WIRE_FLOW_OPEN;
}
