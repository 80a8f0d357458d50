/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * netext-flowd as netextd sees it: always one, started again when it dies, found again
 * when it outlived an earlier netextd.
 */

#include <sys/types.h>

#include <netext/netext.h>

#include "base/list.h"
#include "manager/engine/watchdog.h"
#include "manager/loop/peer.h"
#include "manager/loop/restarts.h"
#include "manager/loop/text.h"
#include "manager/options.h"
#include "manager/paths.h"
#include "manager/priv/process.h"

enum engine_state {
        ENGINE_DOWN,     /* none runs; another is about to be started */
        ENGINE_STARTING, /* it makes its kernel objects */
        ENGINE_ADOPTING, /* it runs; it has to answer yet */
        ENGINE_READY,
        ENGINE_GONE, /* after engine_quit() */
};

#define ENGINE_SET_NAME_SIZE (TEXT_IDENTIFIER_MAX + 1)

struct engine_listener {
        /* A flowd answers. adopted: it knows its sessions and their channels, else none. Tell it
         * what it has to know: then it puts that in force. */
        void (*ready)(bool adopted, void *userdata);
        /* From now on no flow goes around it. */
        void (*in_force)(void *userdata);
        /* It died: all flow channels are gone. Another one comes by itself. */
        void (*died)(void *userdata);
        /* Something that a later netextd needs to know has changed. */
        void (*changed)(void *userdata);
        /* MANAGER_SESSION_STATE and MANAGER_SESSION_DRAINED, and MANAGER_FLOW of the watch. */
        void (*session_state)(const struct wire_message *message, void *userdata);
        void (*flow_event)(const struct wire_message *message, void *userdata);
        /* It ended for good: after engine_quit(), or the first one put nothing in force. */
        void (*gone)(bool failed, void *userdata);
};

struct engine {
        sd_event *event;
        const struct options *options; /* borrowed, like the next four */
        const struct paths *paths;
        const char *pin_folder;
        const struct engine_listener *listener;
        void *userdata;

        enum engine_state state;
        struct process process;
        struct peer peer;
        sd_event_source *deadline; /* for being in force, for the next start, for quitting */
        int listen_fd;             /* every flowd accepts a returning netextd on it */
        int queue_fd;              /* the NFQUEUE socket: held packets survive flowd with it */
        struct watchdog watchdog;
        uid_t uid;
        struct restarts restarts;
        struct restarts reconnects;
        bool was_in_force;

        bool quitting, quit_sent, killed;
        unsigned int n_sweeps;

        bool watching;
        struct list requests; /* engine_request.link */
        size_t n_requests, n_requests_sent;
        uint64_t last_id;
        uint64_t answered_ms; /* when flowd last answered anything */
};

/* What flowd has to know about a session. Strings are borrowed for the call. */
struct engine_session {
        unsigned int slot;
        const char *name;
        int32_t order;
        uint8_t kind;  /* enum nx_provider_kind */
        uint8_t grade; /* enum nx_filter_grade; means something for filters only */
        uint8_t fail_policy;
        uint32_t verdict_timeout_ms;
        uint32_t ready_timeout_ms;
        uint64_t cgroup_id;
};

/* Borrows everything it is given until engine_deinit(). */
void engine_init(struct engine *engine, sd_event *event, const struct options *options,
                 const struct paths *paths, const char *pin_folder,
                 const struct engine_listener *listener, void *userdata);
/* Leaves a running flowd alone. */
void engine_deinit(struct engine *engine);

/* Starts a flowd. 0, or negative errno after a log line. */
int engine_start(struct engine *engine);
/* Takes the running one over, or starts another where it is gone. */
int engine_adopt(struct engine *engine, pid_t pid, uint64_t started, uid_t uid);
/* Has flowd take every kernel object away; starts one for that where none runs. Ends with
 * listener->gone, within a bounded time. */
void engine_quit(struct engine *engine);

/* Each 0 or negative errno; -ENOTCONN while no flowd is ready, which is no loss: sessions
 * are told to the next one when it is. */
int engine_add_session(struct engine *engine, const struct engine_session *session);
/* run: which process of the extension has the channel's other end. */
int engine_give_channel(struct engine *engine, unsigned int slot, uint32_t run, bool may_inspect,
                        int fd);
/* The same for a successor, whose provider starts beside the one in place. */
int engine_give_successor(struct engine *engine, unsigned int slot, uint32_t run, bool may_inspect,
                          int fd);
/* The successors in that process take their places in these sessions, a bit each. No harm twice. */
int engine_turn_sessions(struct engine *engine, uint64_t slots, uint32_t run);
int engine_remove_session(struct engine *engine, unsigned int slot,
                          enum nx_provider_stop_reason reason);
/* A set's content: begin, its entries, commit; all or nothing. Remembered by its owner, as above.
 */
int engine_begin_set(struct engine *engine, const char *name);
int engine_add_network(struct engine *engine, const struct in6_addr *network, uint8_t prefix);
int engine_add_domain(struct engine *engine, const char *domain);
int engine_commit_set(struct engine *engine);
int engine_remove_set(struct engine *engine, const char *name);
/* All sets were told: there are no others. */
int engine_keep_sets(struct engine *engine);
/* The file behind fd is a program of "TEAM.identifier"; remembered by its owner, as above. */
int engine_add_signed_file(struct engine *engine, const char *signer, int fd);
/* All such files were told: there are no others. */
int engine_keep_signed_files(struct engine *engine);
/* Remembered, and told to each flowd. */
void engine_watch_flows(struct engine *engine, bool enable);
