/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The values that travel as small integers and are shown as words: one table each,
 * from which to_string, from_string and the control API's strings come.
 */

#include <stdbool.h>
#include <stdint.h>

struct wire_name {
        int value;
        const char *name;
};

/* What an enumerated attribute can be; the array ends with a NULL name. */
extern const struct wire_name wire_protocols[];
extern const struct wire_name wire_directions[];
extern const struct wire_name wire_owners[];
extern const struct wire_name wire_flow_states[];
extern const struct wire_name wire_verdicts[];
extern const struct wire_name wire_reasons[];
extern const struct wire_name wire_fail_policies[];
extern const struct wire_name wire_kinds[];
extern const struct wire_name wire_packet_verdicts[];
extern const struct wire_name wire_grades[];
extern const struct wire_name wire_session_states[];
extern const struct wire_name wire_flow_events[];
extern const struct wire_name wire_flow_ends[];
extern const struct wire_name wire_report_frequencies[];
extern const struct wire_name wire_report_events[];
extern const struct wire_name wire_check_results[];
extern const struct wire_name wire_request_errors[];
extern const struct wire_name wire_lifetimes[];
extern const struct wire_name wire_key_operations[];
extern const struct wire_name wire_key_types[];

/* The word for value, or "unknown". */
const char *wire_name_to_string(const struct wire_name *names, int value);
/* The value for word, or -EINVAL. */
int wire_name_from_string(const struct wire_name *names, const char *word);

enum wire_owner {
        WIRE_OWNER_UNATTRIBUTED, /* the kernel could not say; never a guess */
        WIRE_OWNER_PROGRAM,
        WIRE_OWNER_KERNEL, /* a kernel thread's socket */
};

/* What netext-keys does with a secret or a key; NX_MSG_KEYS_DEPOSIT for the two that bring one. */
enum wire_key_operation {
        WIRE_KEY_PUT_SECRET,
        WIRE_KEY_READ_SECRET,
        WIRE_KEY_REMOVE_SECRET,
        WIRE_KEY_LIST_SECRETS,
        WIRE_KEY_GENERATE,
        WIRE_KEY_IMPORT,
        WIRE_KEY_GET_PUBLIC,
        WIRE_KEY_SIGN,
        WIRE_KEY_DECRYPT,
        WIRE_KEY_REMOVE,
        WIRE_KEY_LIST,
};

enum wire_flow_state {
        WIRE_FLOW_HELD, /* a provider has yet to answer */
        WIRE_FLOW_OPEN,
        WIRE_FLOW_CLOSED, /* the program closed its socket, or the flow was refused */
};

/* Why a flow has its verdict. */
enum wire_reason {
        WIRE_REASON_NONE,
        WIRE_REASON_NO_FILTER,       /* no session looked at it */
        WIRE_REASON_RULE,            /* a session's rule, decided in the kernel */
        WIRE_REASON_DEFAULT_ACTION,  /* no rule of the session matched */
        WIRE_REASON_LOOPBACK,        /* the session leaves loopback alone */
        WIRE_REASON_PROVIDER,        /* a provider answered */
        WIRE_REASON_KERNEL_OWNER,    /* a kernel thread's socket */
        WIRE_REASON_OWN_TRAFFIC,     /* the extension's own traffic */
        WIRE_REASON_VERDICT_TIMEOUT, /* fail policy: no answer in time */
        WIRE_REASON_PROVIDER_GONE,   /* fail policy: the provider died while asked */
        WIRE_REASON_PROVIDER_ABSENT, /* fail policy: no provider was running */
        WIRE_REASON_TABLE_FULL,      /* fail policy: no room to hold the flow */
        WIRE_REASON_DECLINED,        /* an app proxy declined: refused */
        WIRE_REASON_UPSTREAM_FAILED, /* claimed, but there was no way to the destination */
        WIRE_REASON_NOT_INSPECTABLE, /* fail policy: the filter wants bytes that cannot be had */
        WIRE_REASON_CARRIED,         /* it carries a flow on that had passed the sessions */
        WIRE_REASON_LOOP,            /* it came back to a session that it had passed: refused */
        WIRE_REASON_MEMORY_SHORT,    /* its bytes did not move, and others found no memory: reset */
        WIRE_REASON_DIRECT,          /* the proxy that carries it on chose to go past the others */
        WIRE_REASON_REMEMBERED,      /* what a provider answered about an earlier flow */
        WIRE_REASON_PAUSE_TIMEOUT,   /* of datagrams, and paused for too long: dropped */
        WIRE_REASON_ENDED,           /* somebody ended it before it was decided: refused */
        WIRE_REASON_NOT_ASKABLE,     /* fail policy: nobody is asked about such a protocol */
        WIRE_REASON_ANSWERED,        /* somebody was asked, and answered */
        WIRE_REASON_KEPT_ANSWER,     /* somebody was asked about others like it */
        WIRE_REASON_NOBODY_ATTACHED, /* fail policy: there was nobody to ask */
        WIRE_REASON_UNANSWERED,      /* fail policy: nobody answered in time */
        WIRE_REASON_QUESTION_QUOTA,  /* fail policy: its session has too many open questions */
        WIRE_REASON_OLDER,           /* it was open before anybody could be asked */
        WIRE_REASON_PROGRAM_GONE,    /* its program gave up while it was paused: dropped */
        WIRE_REASON_PROGRAM_QUOTA,   /* fail policy: its program has too many like it already */
};

/* Is it a fail policy that answered, in the place of a provider? */
bool wire_reason_is_fallback(enum wire_reason reason);
/* Does it tell what came of a question to people? */
bool wire_reason_is_of_question(enum wire_reason reason);

enum wire_fail_policy {
        WIRE_FAIL_OPEN = 1,
        WIRE_FAIL_CLOSED = 2,
        WIRE_FAIL_LAST_RULES = 3, /* as the session's rules say of what they do not decide */
};

enum wire_session_state {
        WIRE_SESSION_STARTING = 1, /* the extension runs, start_filter has not answered */
        WIRE_SESSION_RUNNING,
        WIRE_SESSION_RESTARTING, /* the extension died; another is about to be started */
        WIRE_SESSION_FAILED,     /* gave up; the fail policy stands until stop or start */
        WIRE_SESSION_STOPPED,
};

enum wire_flow_event {
        WIRE_EVENT_HELD = 1,
        WIRE_EVENT_DECIDED,
        WIRE_EVENT_CLOSED,
};

/* What ended a flow whose program has not closed its socket. */
enum wire_flow_end {
        WIRE_END_NONE,
        WIRE_END_IDLE,         /* nothing passed for as long as its proxy, or the kernel, waits */
        WIRE_END_EXTENSION,    /* the extension closed the flow's socket, or is gone */
        WIRE_END_FILTER,       /* a filter changed its verdict */
        WIRE_END_PERSON,       /* somebody asked netextd for it */
        WIRE_END_JUDGED_AGAIN, /* what decides of flows now denies it */
};

/* What came of a check of a bundle. */
enum wire_check_result {
        WIRE_CHECK_PASSED = 1,
        WIRE_CHECK_WARNED,
        WIRE_CHECK_FAILED,
        WIRE_CHECK_SKIPPED, /* an earlier failure left nothing to look at */
};

/* How long an answer of somebody's counts. */
enum wire_lifetime {
        WIRE_LIFETIME_ONCE = 1, /* for the flows that were asked about */
        WIRE_LIFETIME_RUN,      /* for their process */
        WIRE_LIFETIME_EVER,
};

/* What of a flow an answer that counts longer is about. */
enum wire_scope {
        WIRE_SCOPE_PROGRAM = 1 << 0,
        WIRE_SCOPE_HOST = 1 << 1,
        WIRE_SCOPE_PORT = 1 << 2,
        WIRE_SCOPE_ALL = WIRE_SCOPE_PROGRAM | WIRE_SCOPE_HOST | WIRE_SCOPE_PORT,
};
