/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/manager.h
 *
 * What an app or tool needs: sessions, sets, flows, the chain and the state of an instance.
 *
 * Calls wait for the daemon's answer. Answers are properties: named, typed values, the
 * same names as in `netextctl --json` and in netext(7). A key that a reader does not know
 * is to be skipped: later versions add keys.
 */

#include <netext/netext.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Properties
 *  @{ */
enum nx_property_type {
        NX_PROPERTY_BOOL,
        NX_PROPERTY_UINT64,
        NX_PROPERTY_INT64,
        NX_PROPERTY_STRING,
};

/** One object: an ordered set of keys with values. */
struct nx_properties;

size_t nx_properties_get_count(const struct nx_properties *properties);
/** index < count. Keys are in the order in which the daemon sent them. */
const char *nx_properties_get_key(const struct nx_properties *properties, size_t index);
enum nx_property_type nx_properties_get_type(const struct nx_properties *properties, size_t index);
bool nx_properties_has(const struct nx_properties *properties, const char *key);
/** NULL where the key is absent or not a string. */
const char *nx_properties_get_string(const struct nx_properties *properties, const char *key);
/** 0 where the key is absent or not a number or boolean. */
uint64_t nx_properties_get_uint64(const struct nx_properties *properties, const char *key);
int64_t nx_properties_get_int64(const struct nx_properties *properties, const char *key);
bool nx_properties_get_bool(const struct nx_properties *properties, const char *key);

/** Several objects. */
struct nx_list;

size_t nx_list_get_count(const struct nx_list *list);
/** index < count. Borrowed from the list. */
const struct nx_properties *nx_list_get(const struct nx_list *list, size_t index);
/** NULL in, NULL out; also frees the objects. */
struct nx_list *nx_list_free(struct nx_list *list);
/** @} */

/** @name Connection
 *  @{ */
struct nx_manager;

/**
 * Connects to netextd of the named instance. -ENOENT or -ECONNREFUSED where none runs,
 * -EACCES where it is out of reach, -EINVAL for a name that cannot be one. On failure
 * *ret_problem, if not NULL, is the sentence for people (static storage or thread-local,
 * valid until the next call).
 */
int nx_manager_open(struct nx_manager **ret_manager, const char *instance,
                    const char **ret_problem);
/** NULL in, NULL out. */
struct nx_manager *nx_manager_close(struct nx_manager *manager);
/** What happened in the last call that failed: the daemon's sentence. Never NULL. */
const char *nx_manager_get_error(struct nx_manager *manager);
/**
 * Everybody may read, but of flows only root sees those of others. What changes something is for
 * root, and for whom polkit allows it: else it is -EACCES (of a request its outcome,
 * NX_REQUEST_ERROR_AUTHORIZATION_REQUIRED) and does nothing.
 *
 * interactive: polkit may ask a person for a password, for which such a call then waits. The
 * default is that nobody is asked.
 */
void nx_manager_set_interactive(struct nx_manager *manager, bool interactive);
/** @} */

/** @name Sessions
 *  @{ */
struct nx_session_file {
        const char *name; /**< what the extension calls it: "rules" */
        const char *path; /**< absolute */
};

/** Initialise with NX_SESSION_CONFIGURATION_INIT; 0 and NULL mean the default. */
struct nx_session_configuration {
        size_t size;
        /** Identifier of an installed extension, or an absolute path to its executable. */
        const char *extension;
        /** Sessions of the same kind and grade with lower order are asked first; default 0. */
        int32_t order;
        /** For filters only; default firewall. */
        enum nx_filter_grade grade;
        /** What becomes of flows that the session was to decide and could not: "open" (default),
         *  "closed", or "last-rules", the default action of the rules that it applied last. */
        const char *fail_policy;
        uint32_t verdict_timeout_ms; /**< default 1000 */
        uint32_t ready_timeout_ms;   /**< default 5000 */
        const struct nx_session_file *files;
        size_t n_files;
        /** What the session is called; default: the extension's identifier. An extension can
         *  have several sessions under names of their own: 1 to 40 lower-case letters, digits
         *  and dashes, unique among the sessions. */
        const char *name;
        /** Which of the things that the extension provides; not needed where that is one. */
        enum nx_provider_kind kind;
};

#define NX_SESSION_CONFIGURATION_INIT .size = sizeof(struct nx_session_configuration)

/** Starts a session and waits until its provider runs or failed. -EEXIST if one of that name is
 *  there already. */
int nx_manager_start_session(struct nx_manager *manager,
                             const struct nx_session_configuration *configuration);
/** Stops a session and waits until it is gone. -ENOENT if there is none of that name. */
int nx_manager_stop_session(struct nx_manager *manager, const char *name);
/** Has another process of the same program take over from a session's extension, from its file as
 *  that is now, and waits until it has. No flow notices: new ones are the new process's, and the
 *  old one keeps those that it has until they are over, at most a day. A negative errno where the
 *  new one does not start all that the old one does; then nothing has changed. */
int nx_manager_restart_session(struct nx_manager *manager, const char *name);
int nx_manager_list_sessions(struct nx_manager *manager, struct nx_list **ret_sessions);
/** The sessions in the order in which a flow passes them. */
int nx_manager_get_chain(struct nx_manager *manager, struct nx_list **ret_chain);
/** @} */

/** @name Sets of destinations
 *
 *  Networks and domains under a name that rules can mean (`remote_set` in netext/rule.h). A
 *  set belongs to the instance; flows that begin when a call has returned meet its new content.
 *  @{ */

/**
 * Replaces a set as a whole, or makes it. name: 1 to 40 lower-case letters, digits and dashes.
 * Each line is as in a file: a network, an address or a domain, a comment behind a #, or
 * nothing; UTF-8. On an error the set stays as it was: -EBADMSG for a line that is not
 * understood (nx_manager_get_error() then begins with "LINE:COLUMN: "), -E2BIG for more than
 * 10000 entries, -ENOSPC for more than 64 sets or 4 MiB, -EINVAL for the name.
 */
int nx_manager_put_set(struct nx_manager *manager, const char *name, const char *const *lines,
                       size_t n_lines);
/** Rules that name it match nothing then. -ENOENT if there is none of that name. */
int nx_manager_remove_set(struct nx_manager *manager, const char *name);
int nx_manager_list_sets(struct nx_manager *manager, struct nx_list **ret_sets);
/** What is in a set, in its order: records with one key, "network" or "domain". -ENOENT if there
 *  is none of that name. For those who may change it. */
int nx_manager_get_set(struct nx_manager *manager, const char *name, struct nx_list **ret_entries);
/** @} */

/** @name Secrets and keys of extensions
 *
 *  What an extension reads and signs with by name, see netext/key.h. For those who may change it;
 *  nobody can read a secret or a private key here. extension: one that is installed, as its
 *  IDENTIFIER or TEAM.IDENTIFIER. name: 1 to 40 lower-case letters, digits and dashes. -ENOENT:
 *  there is none of that name; -ENOSPC: it has 64 secrets and keys already.
 *  @{ */

/** Puts a secret, also in place of one, for good when it returns. 1 byte to 64 KiB. */
int nx_manager_put_secret(struct nx_manager *manager, const char *extension, const char *name,
                          const void *secret, size_t size);
int nx_manager_remove_secret(struct nx_manager *manager, const char *extension, const char *name);
/** Records with "extension", "name" and "bytes". */
int nx_manager_list_secrets(struct nx_manager *manager, struct nx_list **ret_secrets);
/** type: "ed25519", "p256", "p384" or "rsa". -EEXIST: there is a key of that name. */
int nx_manager_generate_key(struct nx_manager *manager, const char *extension, const char *name,
                            const char *type);
/**
 * Gives the extension an identity: a private key, perhaps with up to 8 certificates. file: what is
 * in a PEM or PKCS#12 file. passphrase: of it; NULL for none. -EKEYREJECTED: another one is needed;
 * -EBADMSG: the file is not what it should be, and nx_manager_get_error() says what is wrong;
 * -EOPNOTSUPP: its key is of another type than above; -EEXIST.
 */
int nx_manager_import_key(struct nx_manager *manager, const char *extension, const char *name,
                          const void *file, size_t size, const char *passphrase);
int nx_manager_remove_key(struct nx_manager *manager, const char *extension, const char *name);
/** Records with "extension", "name", "type", and of a key with a certificate "subject" and
 *  "expires_ns". */
int nx_manager_list_keys(struct nx_manager *manager, struct nx_list **ret_keys);
/** A record with "pem": the public key, and behind it the certificates. */
int nx_manager_get_key(struct nx_manager *manager, const char *extension, const char *name,
                       struct nx_list **ret_key);
/** @} */

/** @name Rules
 *  @{ */
/** The rules of a session that are in force, in their order; the last record has its default
 *  action. None: it has applied no settings. -ENOENT if there is none of that name. */
int nx_manager_list_rules(struct nx_manager *manager, const char *session,
                          struct nx_list **ret_rules);

/** A flow that there need not be. Initialise with NX_JUDGED_FLOW_INIT. */
struct nx_judged_flow {
        size_t size;
        const char *program; /**< absolute path of an executable, symbolic links resolved */
        const char *host;    /**< the other end: an address, or a name that programs resolved */
        uint16_t port;       /**< of the other end */
        int protocol;        /**< IPPROTO_TCP or IPPROTO_UDP */
        uint32_t user;
        enum nx_direction direction;
        const char *local_address; /**< of an inbound one: this host's end; NULL: not said */
        uint16_t local_port;       /**< the same; 0: not said */
};

#define NX_JUDGED_FLOW_INIT                                                                        \
        .size = sizeof(struct nx_judged_flow), .protocol = 6, .direction = NX_DIRECTION_OUTBOUND

/** What the sessions' rules say of such a flow now, in the order of the chain, up to one that
 *  denies it. Cgroups, units, parents and digests of the program are unknown here, and a local end
 *  that is not said matches no rule that names one. -EADDRNOTAVAIL: no program of the instance
 *  resolved that name lately. */
int nx_manager_judge_flow(struct nx_manager *manager, const struct nx_judged_flow *flow,
                          struct nx_list **ret_sessions);
/** @} */

/** @name Flows
 *  @{ */
/**
 * Whether the flows of nx_manager_list_flows() and nx_manager_watch_flows() come with the package of
 * the distribution that brought their program, "package"; the default is that they do not. It is
 * looked up in the caller's process and with his rights (where it is rpm's, by running rpm(8)), once
 * for each executable, which takes some tens of milliseconds for those of a list together, and for
 * each new one in a watch.
 */
void nx_manager_want_packages(struct nx_manager *manager, bool wanted);
/** The newest `limit` flows (0: all that are kept), oldest first; of these the caller's own, unless
 *  that is root. A flow is also whose origin it is. */
int nx_manager_list_flows(struct nx_manager *manager, uint64_t limit, struct nx_list **ret_flows);
/** One flow, as a list of one, with all that can be found out about it: its program's digest, and
 *  the package that it is of. -ENOENT if it is not kept any more. */
int nx_manager_get_flow(struct nx_manager *manager, uint64_t identifier, struct nx_list **ret_flow);

/** Which flows are meant: what all of the members say that are not 0 or NULL. */
struct nx_flow_selection {
        size_t size;
        uint64_t identifier;
        /** The absolute path of the executable, or the last part of it. */
        const char *program;
        /** "198.18.0.1" or "fd00::1". */
        const char *remote_address;
        uint16_t remote_port;
};

#define NX_FLOW_SELECTION_INIT .size = sizeof(struct nx_flow_selection)

/**
 * Ends open flows now, both ways: a held one is refused, the program of another one is told
 * ECONNABORTED (TCP, connected UDP) or EPERM (UDP), and nothing of it passes any more.
 * *ret_n_ended: how many. -ENOENT if no open flow is meant, -EALREADY if the one that is named is
 * over, -EINVAL for a selection that says nothing, -EOPNOTSUPP for a connection of raw
 * packets, without a socket. After -EAGAIN (netext-flowd ended before it answered) they may be over
 * or not: ask again.
 */
int nx_manager_end_flows(struct nx_manager *manager, const struct nx_flow_selection *selection,
                         uint64_t *ret_n_ended);

/**
 * Has all open flows judged by what decides of flows now: the rules in force, and those filters
 * that were not asked about them before, also of flows that are older than the instance. What is
 * denied ends as by nx_manager_end_flows(). *ret_counts, a list of one: "flows_allowed" go on,
 * "flows_ended" are over, "flows_asked" go on until a filter has answered, and "flows_not_ended"
 * are denied and could not be ended. -EBUSY while somebody else has them judged.
 */
int nx_manager_rejudge_flows(struct nx_manager *manager, struct nx_list **ret_counts);

/** flow: with key "event" (held, decided, closed), borrowed. Return non-zero to end the watch. */
typedef int nx_flow_event_fn(const struct nx_properties *flow, void *userdata);
/** Calls fn for each flow event until fn returns non-zero (which is returned), the connection
 *  ends (-EPIPE), or a signal interrupts (-EINTR). */
int nx_manager_watch_flows(struct nx_manager *manager, nx_flow_event_fn *fn, void *userdata);
/** @} */

/** The instance: version, pids, mechanisms in use, counters. A list of one. */
int nx_manager_get_status(struct nx_manager *manager, struct nx_list **ret_status);

#ifdef __cplusplus
}
#endif
