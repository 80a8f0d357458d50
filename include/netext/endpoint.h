/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/endpoint.h
 *
 * Named endpoints: how an app talks to an extension. The extension's manifest declares a name
 * and who may connect; netextd listens under `TEAM.identifier.name` for as long as the extension
 * is activated, finds out who connects, and hands the connection to the extension's process.
 * A connect waits while that process starts, restarts or is replaced, or fails with the reason.
 *
 * An app asks once and is done:
 *
 * @code
 * static int ask_status(struct nx_message **ret_answer)
 * {
 *         const struct nx_message question = { .bytes = "status", .size = 6 };
 *         struct nx_connection *connection;
 *         int r;
 *
 *         r = nx_connection_open(&connection, "EXAMPLE.org.example.hello.status", NULL);
 *         if (r < 0)
 *                 return r;
 *         r = nx_connection_call(connection, &question, NX_NO_DEADLINE, ret_answer);
 *         nx_connection_close(connection);
 *         return r;
 * }
 * @endcode
 *
 * or, with callbacks, polls nx_connection_get_fd() in whatever loop it has. No thread, no
 * signal, no bus and no main loop is needed; every call that takes a callback ends in it exactly
 * once. Nothing has a time limit unless the caller gives one.
 *
 * Bytes and descriptors of messages are the two programs' own business. The wire is written down
 * in netext-endpoint(7), for programs without this library.
 */

#include <netext/netext.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A connection of an app to an extension, on either side. */
struct nx_connection;
/** The other side's question, to be answered once. */
struct nx_question;
/** A name that an extension serves. */
struct nx_endpoint;

/** @name Messages
 *  @{ */
#define NX_MESSAGE_SIZE_MAX (64 * 1024)
#define NX_MESSAGE_FDS_MAX  8

/**
 * What is sent is borrowed until the call returns: the other side gets copies of the descriptors.
 * What comes is borrowed until the callback returns, and then its descriptors are closed, except
 * those that were taken.
 */
struct nx_message {
        const void *bytes;
        size_t size;
        int *fds;
        size_t n_fds;
};

/** The index-th descriptor, from here on the caller's; -1 where there is none. */
int nx_message_take_fd(struct nx_message *message, size_t index);
/** For what nx_connection_call() returned. Closes what was not taken. NULL in, NULL out. */
struct nx_message *nx_message_free(struct nx_message *message);

/** question: NULL where no answer is wanted; else answered now, or kept and answered later. */
typedef void nx_message_fn(struct nx_connection *connection, struct nx_message *message,
                           struct nx_question *question, void *userdata);

/**
 * result: 0 with the answer; -ETIME: not in time, and what comes later is discarded and counted;
 * -ECANCELED: nx_connection_close(); -EPIPE and others: the connection ended before, see
 * nx_connection_dispatch(), or the other side refused, and the answer's bytes may say why.
 * answer: empty if nothing came.
 */
typedef void nx_answer_fn(struct nx_connection *connection, int result, struct nx_message *answer,
                          void *userdata);

/** result: why, as in nx_connection_dispatch(). The connection is only good to be closed. */
typedef void nx_closed_fn(struct nx_connection *connection, int result, void *userdata);
/** @} */

/** @name For apps
 *  @{ */

/** Initialise with NX_CONNECTION_OPTIONS_INIT. Functions may be NULL. */
struct nx_connection_options {
        size_t size;
        /** NULL: the instance of the whole machine. */
        const char *instance;
        /** A process of the extension has the connection; again for each that replaces it. */
        void (*handle_open)(struct nx_connection *connection, void *userdata);
        /** Without it, questions are refused with -EOPNOTSUPP. */
        nx_message_fn *handle_message;
        /** The extension's events, in their order; n_dropped: how many are missing before this
         *  one. Without it none are sent. */
        void (*handle_event)(struct nx_connection *connection, const struct nx_message *event,
                             uint32_t n_dropped, void *userdata);
        nx_closed_fn *handle_closed;
        void *userdata;
};

#define NX_CONNECTION_OPTIONS_INIT .size = sizeof(struct nx_connection_options)

/**
 * Begins to connect and returns at once. What is sent or asked meanwhile waits. options may be
 * NULL. -EINVAL for a name that cannot be one; everything else is told by
 * nx_connection_dispatch() or the calls that wait.
 */
int nx_connection_open(struct nx_connection **ret_connection, const char *endpoint,
                       const struct nx_connection_options *options);
/** A descriptor to poll for reading; stays the connection's. */
int nx_connection_get_fd(struct nx_connection *connection);
/**
 * Does what is due, without waiting, and calls the functions. 0, or why the connection has ended,
 * each time again: -ENOENT no such endpoint, -ECONNREFUSED no netextd, -EACCES not for this
 * program, -EDQUOT too many of this user, -EPIPE the extension's process ended, -EBADMSG it broke
 * the protocol, or another reason; nx_connection_get_error() has the sentence.
 */
int nx_connection_dispatch(struct nx_connection *connection);
/** Asks and waits, with the results of nx_answer_fn or nx_connection_dispatch(). What comes
 *  meanwhile calls its functions. Not within one of them: -EBUSY. */
int nx_connection_call(struct nx_connection *connection, const struct nx_message *question,
                       uint32_t deadline_ms, struct nx_message **ret_answer);
/** @} */

/** @name For both sides
 *  @{ */

#define NX_NO_DEADLINE 0

/** -EAGAIN: the other side does not read, and 1 MiB or 64 descriptors wait already. -EMSGSIZE,
 *  -EINVAL; -EPIPE after the end. */
int nx_connection_send(struct nx_connection *connection, const struct nx_message *message);
/** The same; fn is called exactly once, unless this fails, and never before it returns. */
int nx_connection_ask(struct nx_connection *connection, const struct nx_message *question,
                      uint32_t deadline_ms, nx_answer_fn *fn, void *userdata);
/** Answers, and frees the question, also on failure. -EPIPE: nobody waits any more. */
int nx_question_answer(struct nx_question *question, const struct nx_message *answer);
/** The same without an answer: error is negative and not -ETIME; why may be NULL. */
int nx_question_refuse(struct nx_question *question, int error, const char *why);

/** Answers that came after their deadline. */
uint64_t nx_connection_get_late_answers(const struct nx_connection *connection);
/** What the connection ended for, or what the last nx_connection_call() was refused for. Never
 *  NULL. */
const char *nx_connection_get_error(const struct nx_connection *connection);
/** A pointer of the caller's, NULL until set. */
void nx_connection_set_data(struct nx_connection *connection, void *data);
void *nx_connection_get_data(const struct nx_connection *connection);
/** Questions without an answer end with -ECANCELED. handle_closed is not called. NULL in, NULL
 *  out. An extension may close its side too; else it is closed after handle_closed. */
struct nx_connection *nx_connection_close(struct nx_connection *connection);
/** @} */

/** @name For extensions
 *  @{ */

/** In the table of nx_extension. Functions may be NULL. */
struct nx_endpoint_provider {
        /** As in the manifest: "status". */
        const char *name;
        /** Before everything else: from here on events can be posted. */
        void (*handle_ready)(struct nx_endpoint *endpoint, void *userdata);
        /** Somebody whom the manifest allows. A negative errno refuses. */
        int (*handle_connect)(struct nx_connection *connection, void *userdata);
        /** Without it, questions are refused with -EOPNOTSUPP. */
        nx_message_fn *handle_message;
        nx_closed_fn *handle_closed;
        /** After nx_endpoint_post() said that somebody is behind: nobody is any more, and every
         *  event has been sent. For one who would rather wait than lose events. */
        void (*handle_caught_up)(struct nx_endpoint *endpoint, void *userdata);
};

enum {
        NX_POST_KEPT = 1,    /**< somebody is behind or nobody there: the event waits */
        NX_POST_DROPPED = 2, /**< it waits, and the oldest that waited was dropped for it */
};

/**
 * Sends an event to every app that takes them. For each that is behind, 1024 events or 4 MiB
 * wait; beyond, the oldest are dropped and the app is told how many. If no app is there, as many
 * wait for the next that comes, and netextd runs the activation command that the manifest may
 * name. 0, one of the above, or -EMSGSIZE, -ENOMEM.
 */
int nx_endpoint_post(struct nx_endpoint *endpoint, const void *bytes, size_t size);
/** Events that were dropped, each counted for each app that did not get it. */
uint64_t nx_endpoint_get_dropped(const struct nx_endpoint *endpoint);
const char *nx_endpoint_get_name(const struct nx_endpoint *endpoint);
/** NULL on the app's side. */
struct nx_endpoint *nx_connection_get_endpoint(const struct nx_connection *connection);

/** Who connected, as the kernel and netextd say: the process that called connect(2). */
struct nx_peer {
        uint32_t pid; /**< 0: it is of a pid namespace that netextd does not see */
        uint32_t uid, gid;
        const char *program; /**< path of its executable when it connected; never NULL */
        const char *cgroup;  /**< path of its cgroup then; never NULL */
};

/** NULL on the app's side. */
const struct nx_peer *nx_connection_get_peer(const struct nx_connection *connection);
/** A new pidfd of that process, never of another that got its number: -ESRCH. */
int nx_connection_open_peer(const struct nx_connection *connection);
/** @} */

#ifdef __cplusplus
}
#endif
