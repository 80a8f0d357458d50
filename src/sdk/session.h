/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A session from the extension's side, one of any number in a process: its flow channel to
 * netext-flowd, its runs, and the settings it applied. What is the same for every kind of provider
 * is here; what a kind adds is its role.
 *
 * A run lasts from the provider's start to its stop. Flows belong to one and outlive it
 * where the extension keeps them; run->session tells whether they can be answered.
 */

#include <stdarg.h>

#include <netext/extension.h>

#include "base/htable.h"
#include "base/list.h"
#include "sdk/handed.h"
#include "sdk/lane.h"
#include "sdk/peer.h"
#include "sdk/settings.h"

struct nx_provider;
struct session;

/* The session as an extension holds it. */
struct nx_filter {
        struct session *session;
};
struct nx_proxy {
        struct session *session;
};
struct nx_packet_filter {
        struct session *session;
};

/* Who asked to hear how an apply ended: the member of the session's role, or NULL. */
union applied_fn {
        nx_filter_applied_fn *filter;
        nx_proxy_applied_fn *proxy;
        nx_packet_filter_applied_fn *packet_filter;
};

/* Calls the functions of one kind of provider, those that the extension left out as well. One that
 * is asked about no flows leaves out what is about them. */
struct session_role {
        const char *verdicts;      /* that decide() may return, for people */
        bool begins_with_settings; /* empty ones: without any, everything would be asked about */
        bool (*verdict_is_known)(enum nx_verdict verdict); /* PAUSE apart */
        int (*start)(struct session *session);
        void (*stop)(struct session *session, enum nx_provider_stop_reason reason);
        enum nx_verdict (*decide)(struct session *session, struct nx_flow *flow);
        void (*handle_file)(struct session *session, const char *name, const char *path, int fd);
        /* NULL where flows are neither peeked at nor claimed. fd is handed over. */
        enum nx_verdict (*handle_peek)(struct session *session, struct nx_flow *flow,
                                       const void *bytes, size_t size);
        void (*handle_open)(struct session *session, struct nx_flow *flow, int fd);
        void (*handle_closed)(struct session *session, struct nx_flow *flow,
                              const struct nx_flow_end *end);
        void (*applied)(struct session *session, union applied_fn fn, int result, void *userdata);
};

extern const struct session_role filter_role, proxy_role, packet_filter_role;

struct session_run {
        unsigned int n_refs;     /* the session's and one for each flow */
        struct session *session; /* NULL when the run is over */
        struct htable kept;      /* nx_flow.kept */
};

struct session {
        struct list link;                /* nx_provider.sessions */
        struct nx_provider *provider;    /* whose it is */
        enum nx_provider_kind kind;      /* 0 where a start has yet to say which of several */
        const struct session_role *role; /* NULL as long */
        struct nx_filter filter;
        struct nx_proxy proxy;
        struct nx_packet_filter packet_filter;
        char *name;
        bool is_over; /* netextd stopped it: it is freed at the end of the round */
        struct peer engine;
        const uint8_t *memory;   /* PROVIDER_MEMORY, mapped, or NULL */
        struct session_run *run; /* NULL while stopped */
        struct handed handed;
        struct lanes lanes;            /* of a packet filter that runs */
        struct loop_timer drain_timer; /* while flowd waits for those to be closed */
        struct nx_flow *spare;         /* the last flow that went, for the next one */
        struct settings *settings;     /* in force, or NULL */
        bool has_begun;                /* the settings that a role begins with were made */
        struct list applies;           /* apply.link, oldest first */
        unsigned int n_applies;
        uint64_t last_apply_id;
        struct list updates; /* update.link, oldest first */
        unsigned int n_updates;
        struct list files; /* kept_file.link: those that came before the kind was known */
        struct list answers,
                coming_answers; /* answer.link, oldest first; the latter: on their way */
        char last_report[WIRE_STRING_MAX];
};

/* The provider's session of that name, which is made where there is none. NULL: no memory. */
struct session *session_get(struct nx_provider *provider, const char *name);
/* Ends a run with reason. Returns NULL. */
struct session *session_free(struct session *session, enum nx_provider_stop_reason reason);

/* No socket of a flow that the extension was given is open. Else it looks again in a while. */
bool session_is_drained(struct session *session);

static inline bool session_is_connected(const struct session *session)
{
        return peer_is_open(&session->engine);
}

/* A flow channel that replaces the one before. Takes fd over, also on failure. */
int session_connect(struct session *session, int fd);

/* One line. */
void session_report(struct session *session, enum nx_level level, const char *format, ...)
        _printf_(3, 4);
void session_vreport(struct session *session, enum nx_level level, const char *format, va_list args)
        _printf_(3, 0);

struct session_run *session_run_ref(struct session_run *run);
struct session_run *session_run_unref(struct session_run *run);

/* file.c: path may be NULL; fd is taken where the file has to wait. */
int session_handle_file(struct session *session, const char *name, const char *path, int *fd);
/* The kind is known now: handle_file for each file that waits. */
void session_hand_files(struct session *session);
void session_drop_files(struct session *session);

/* apply.c: nx_filter_apply() and its like. */
int session_apply(struct session *session, const struct settings *settings, union applied_fn fn,
                  void *userdata);
/* The flow channel is new: send it what is in force and what is under way. */
int session_apply_again(struct session *session);
/* PROVIDER_SETTINGS_DONE. */
int session_apply_done(struct session *session, uint64_t id, int result);
/* No answer will come any more. */
void session_apply_cancel(struct session *session);
