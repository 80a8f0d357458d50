/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An extension: a program that netextd keeps running, for any number of sessions and endpoints.
 * Installed ones come from the store by extension_table_put() and stay until they are removed;
 * `session start ./program` makes an anonymous one, which goes with its session, and so does one
 * that is made for a session of what is installed with the scope session.
 *
 * An extension has one process that counts, the incumbent. While it is replaced there is a
 * successor beside it, and until their flows are over there are leaving ones (run.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manager/extension/table.h"
#include "wire/codec.h"

struct run;

#define EXTENSION_IDENTIFIER_MAX 128

enum extension_state {
        EXTENSION_STARTING,   /* its process has not said hello yet */
        EXTENSION_READY,      /* its process serves */
        EXTENSION_RESTARTING, /* its process died, and another is about to be made */
        EXTENSION_FAILED, /* it died too often; an installed one is tried again every few seconds */
        EXTENSION_STOPPING,
        _EXTENSION_STATE_MAX,
        _EXTENSION_STATE_INVALID = -EINVAL,
};

const char *extension_state_to_string(enum extension_state state);

/* Bits of extension_spec.capabilities. */
enum extension_capability {
        EXTENSION_CAN_FILTER = 1 << 0, /* …-provider */
        EXTENSION_CAN_PROXY_TRANSPARENTLY = 1 << 1,
        EXTENSION_CAN_PROXY_APPS = 1 << 2,
        EXTENSION_CAN_INSPECT_BYTES = 1 << 3,
        EXTENSION_IS_NETWORK_CLIENT = 1 << 4, /* may make internet sockets of its own */
        EXTENSION_CAN_FILTER_PACKETS = 1 << 5,
};

#define EXTENSION_GROUPS_MAX 16

struct extension_limits {
        uint64_t memory_max; /* bytes; 0: none */
        uint32_t pids_max;   /* 0: none */
};

/* What an extension is started from. Strings are copied by who keeps it; NULL: there is none. */
struct extension_spec {
        const char *identifier;    /* what it has to call itself */
        const char *team;          /* NULL: anonymous */
        const char *version;       /* what people read */
        const char *digest;        /* of its content */
        const char *executable;    /* absolute path */
        const char *bundle_folder; /* it may read that, and libraries come from there */
        const char *state_folder;  /* it may write there; exists, and gets its uid as owner */
        const char *groups_folder; /* its team's, in which there is one for each of groups */
        const char *groups[EXTENSION_GROUPS_MAX]; /* names; NULL behind the last */
        uint32_t kinds;        /* 1 << enum nx_provider_kind; 0: whatever it says */
        uint32_t capabilities; /* enum extension_capability */
        uint32_t grace_time;   /* seconds for the flows of one that was replaced; 0: a day */
        struct extension_limits limits;
        bool per_session; /* each session has one of its own, with a state folder of its own */
};

/*
 * Has the extension spec->identifier run as spec says. A new one is started. One that runs is
 * replaced where the digest, the version or the executable differ: its successor is started
 * beside it, and takes over when all its sessions run. listener->settled says what became of it,
 * after this returned; a failed replacement has changed nothing. 0; -EALREADY: it runs like that,
 * or is about to (nothing follows); -EBUSY: it is being replaced.
 *
 * Where it is per session each that runs is replaced, by itself, and keeps its state folder; a
 * negative errno leaves those alone that were not reached.
 */
int extension_table_put(struct extension_table *table, const struct extension_spec *spec,
                        char **ret_problem);
/* The same program once more, from its file as that is now: a successor, as above. 0; -EBUSY. */
int extension_replace(struct extension *extension, char **ret_problem);
/* Ends it, with its sessions' providers, and tells by listener->gone. Repeating is harmless. */
void extension_remove(struct extension *extension);

/* NULL: none of that identifier. Those of one session are not found. */
struct extension *extension_table_find(struct extension_table *table, const char *identifier);
/* The installed one of that identifier, or those of its sessions, also while they stop: the one
 * behind previous; NULL: the first. Returns NULL behind the last. */
struct extension *extension_table_next(struct extension_table *table, const char *identifier,
                                       const struct extension *previous);

/* From here on vouch_fn is asked before a process is made in place of one that is gone; what was
 * just put is what its caller vouches for. */
void extension_table_guard(struct extension_table *table, extension_vouch_fn *vouch_fn,
                           void *userdata);
/* The answer. problem: why it must not be started now; NULL: it may be. */
void extension_vouched(struct extension *extension, const char *problem);

/* Is a process of it made of the copy of that digest, also one that leaves? */
bool extension_table_uses(const struct extension_table *table, const char *identifier,
                          const char *digest);

/* The team of the extension whose process has that uid; NULL: none has, or an anonymous one. */
const char *extension_table_team_of(struct extension_table *table, uid_t uid);

/* --- what is said of it, e.g. by `extension list` --------------------------------------- */

const struct extension_spec *extension_get_spec(const struct extension *extension);
enum extension_state extension_get_state(const struct extension *extension);
/* Its process takes messages and endpoints now. */
bool extension_is_ready(const struct extension *extension);
bool extension_is_being_replaced(const struct extension *extension);
/* Of the incumbent; 0: there is none. */
pid_t extension_get_pid(const struct extension *extension);
uid_t extension_get_uid(const struct extension *extension);
/* Processes that were replaced, and go on with the flows that they have. */
unsigned int extension_count_leaving(const struct extension *extension);
/* CLOCK_REALTIME of the incumbent's hello; 0: none runs. */
uint64_t extension_get_running_since_ns(const struct extension *extension);
uint64_t extension_get_restarts(const struct extension *extension);
/* "killed by signal 9 (Killed)", or NULL: none has ended. */
const char *extension_get_last_exit(const struct extension *extension);
/* Why the last start or replacement failed, or what it reported last; NULL: nothing. */
const char *extension_get_message(const struct extension *extension);
/* The last 64 lines that it wrote to stderr. Caller owns; NULL: it wrote none. */
char *extension_get_last_lines(const struct extension *extension);

/* --- being told --------------------------------------------------------------------------- */

/* Any may be NULL. */
struct extension_listener {
        /* Anything of the above has changed, which a later netextd has to know. */
        void (*changed)(struct extension *extension, void *userdata);
        /* Its process serves: the first, one after a death, or a successor that took over. */
        void (*ready)(struct extension *extension, void *userdata);
        /* A start or a replacement has ended: 0, or negative errno and extension_get_message(). */
        void (*settled)(struct extension *extension, int result, void *userdata);
        /* Its process is gone (it may be made again, see the state), or it failed for now. */
        void (*down)(struct extension *extension, const char *why, void *userdata);
        /* One of its processes is gone, whichever it was. */
        void (*process_gone)(struct extension *extension, void *userdata);
        /* A message from the incumbent that is not for sessions. 0, or negative errno, which is
         * the end of its process. */
        int (*message)(struct extension *extension, const struct wire_message *message, int *fd,
                       void *userdata);
        /* MANAGER_QUESTION or MANAGER_QUESTION_OVER of one of its processes. */
        void (*question)(struct extension *extension, uint32_t run,
                         const struct wire_message *message, void *userdata);
        /* MANAGER_KEYS_CALL or MANAGER_KEYS_DEPOSIT of one of its processes. */
        void (*called_keys)(struct extension *extension, uint32_t run,
                            const struct wire_message *message, int fd, void *userdata);
        /* What that process said on its control channel is over, as the channel is. */
        void (*silent)(struct extension *extension, uint32_t run, void *userdata);
        /* It was removed, its processes are gone; it is freed after this. */
        void (*gone)(struct extension *extension, void *userdata);
};

/* One who is told of all extensions. */
struct extension_watch {
        struct list link; /* extension_table.watches */
        const struct extension_listener *listener;
        void *userdata;
};

void extension_table_watch(struct extension_table *table, struct extension_watch *watch,
                           const struct extension_listener *listener, void *userdata);
/* Fine on one that was never begun (all zero), and twice. */
void extension_watch_end(struct extension_watch *watch);

/* --- messages to it ----------------------------------------------------------------------- */

/* Begins a message to the incumbent, e.g. NX_MSG_EXTENSION_ENDPOINT_PEER. NULL: it is not ready. */
struct wire_writer *extension_begin(struct extension *extension, enum wire_message_type type);
/* Ends and sends it. fd: goes along, stays the caller's; -1 for none. 0 or negative errno:
 * -ENOBUFS where the extension does not read. */
int extension_send(struct extension *extension, int fd);
