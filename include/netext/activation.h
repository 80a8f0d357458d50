/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/activation.h
 *
 * Installing extensions, approving them, and taking them away.
 *
 * Activating and deactivating are **requests**: each has a number, and exactly one outcome, which
 * can be asked for as long as the request is kept (the last 1000 are), also by another process and
 * after a restart of netextd. A request is the daemon's as soon as the call returns: what becomes
 * of the caller does not change it. Only the question whether another version may be replaced
 * needs somebody who is there; nobody there means cancel.
 *
 * An extension is meant by its identifier, with or without its team: `com.example.filter` or
 * `TEAM.com.example.filter`. The keys of the records are in netextctl-extension(1).
 */

#include <netext/manager.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a request failed with: key "error" of its record (OSSystemExtensionError.Code). */
enum nx_request_error {
        NX_REQUEST_ERROR_UNKNOWN = 1,
        NX_REQUEST_ERROR_MISSING_CAPABILITY = 2,   /**< "entitlement" in Apple's words */
        NX_REQUEST_ERROR_UNSUPPORTED_LOCATION = 3, /**< not used: a bundle may lie anywhere */
        NX_REQUEST_ERROR_NOT_FOUND = 4, /**< not used: there is no request, the call says -ENOENT */
        NX_REQUEST_ERROR_MISSING_IDENTIFIER = 5,
        NX_REQUEST_ERROR_DUPLICATE_IDENTIFIER = 6,
        NX_REQUEST_ERROR_UNKNOWN_CATEGORY = 7,
        NX_REQUEST_ERROR_SIGNATURE_INVALID = 8,
        NX_REQUEST_ERROR_VALIDATION_FAILED = 9,
        NX_REQUEST_ERROR_FORBIDDEN_BY_POLICY = 10,
        NX_REQUEST_ERROR_CANCELED = 11,
        NX_REQUEST_ERROR_SUPERSEDED = 12,
        NX_REQUEST_ERROR_AUTHORIZATION_REQUIRED = 13, /**< see nx_manager_set_interactive() */
};

/** What happens where another copy of the same identifier is active. */
enum nx_replace {
        NX_REPLACE_ASK = 0, /**< the request says "needs-reply", and waits for one */
        NX_REPLACE_YES = 1,
        NX_REPLACE_NO = 2,
        NX_REPLACE_NEWER = 3, /**< yes if the new version is higher, else no */
};

/** Initialise with NX_ACTIVATION_INIT; 0 and NULL mean the default. */
struct nx_activation {
        size_t size;
        /** A bundle: a folder, or a .nxt archive. It is read once, and may change or go then. */
        const char *path;
        enum nx_replace replace;
};

#define NX_ACTIVATION_INIT .size = sizeof(struct nx_activation)

/** Asks for an extension to be installed. -ENOENT and the like where path cannot be opened. */
int nx_manager_activate(struct nx_manager *manager, const struct nx_activation *activation,
                        uint64_t *ret_request);
/** Asks for one to be taken away, with all that is known of it. -ENOENT: there is none; -EPERM: a
 *  policy keeps it. */
int nx_manager_deactivate(struct nx_manager *manager, const char *extension, uint64_t *ret_request);

/** @name Requests
 *  @{ */
/** What is asked of whoever waits. Initialise with NX_REQUEST_HANDLER_INIT; each may be NULL.
 *  request: its record, borrowed. */
struct nx_request_handler {
        size_t size;
        /** Keys "version" and "replaced" are what comes and what is there; "content_changed" is
         *  true where those are the same and only the content differs. True replaces, false
         *  cancels, and so does NULL. */
        bool (*replace)(const struct nx_properties *request, void *userdata);
        /** It goes on when an administrator, or a policy, has approved it. */
        void (*needs_approval)(const struct nx_properties *request, void *userdata);
        void *userdata;
};

#define NX_REQUEST_HANDLER_INIT .size = sizeof(struct nx_request_handler)

/**
 * Waits for the outcome: *ret_request is its record, a list of one, whose "status" is "finished" or
 * "failed". handler: may be NULL. -ENOENT if no such request is kept, -EPIPE if the connection
 * ends, -EINTR on a signal; the request goes on then.
 */
int nx_manager_wait_for_request(struct nx_manager *manager, uint64_t request,
                                const struct nx_request_handler *handler,
                                struct nx_list **ret_request);
/** Its record as it is now, a list of one. */
int nx_manager_get_request(struct nx_manager *manager, uint64_t request,
                           struct nx_list **ret_request);
/** Those that are kept, oldest first. */
int nx_manager_list_requests(struct nx_manager *manager, struct nx_list **ret_requests);
/** Answers one whose status is "needs-reply". -EALREADY: it is not, or not any more. */
int nx_manager_reply_to_request(struct nx_manager *manager, uint64_t request, bool replace);
/** The word for an error, "forbidden-by-policy"; "unknown" for other numbers. Static storage. */
const char *nx_request_error_to_string(enum nx_request_error error);
/** @} */

/** @name Installed extensions
 *  @{ */
/** A record for each copy that is staged: one an extension, and more while it is replaced. */
int nx_manager_list_extensions(struct nx_manager *manager, struct nx_list **ret_extensions);
/** The same of one extension; an empty list where there is none (propertiesRequest). */
int nx_manager_get_extension(struct nx_manager *manager, const char *extension,
                             struct nx_list **ret_extension);
/** Every check that was made of it, in order, with its result. extension: may also be the number
 *  of a request that was refused. -ENOENT. */
int nx_manager_explain_extension(struct nx_manager *manager, const char *extension,
                                 struct nx_list **ret_checks);
/** A record for each capability that it asks for: whether it is in effect, and who granted it.
 *  -ENOENT. */
int nx_manager_inspect_extension(struct nx_manager *manager, const char *extension,
                                 struct nx_list **ret_capabilities);
/** For an administrator: yes or no to one that waits for approval. -ENOENT: none does; -EPERM: a
 *  policy forbids it. */
int nx_manager_approve_extension(struct nx_manager *manager, const char *extension);
int nx_manager_refuse_extension(struct nx_manager *manager, const char *extension);
/** Off, and on again. -EPERM: a policy keeps it on. */
int nx_manager_switch_extension(struct nx_manager *manager, const char *extension, bool on);
/** Asks for all of them to be taken away; *ret_n is how many. */
int nx_manager_reset_extensions(struct nx_manager *manager, uint64_t *ret_n);
/** Removes from disk what belongs to none; *ret_n is how many things. */
int nx_manager_collect_extensions(struct nx_manager *manager, uint64_t *ret_n);
/** In developer mode extensions may be signed by anybody, and replace each other unasked. */
int nx_manager_set_developer_mode(struct nx_manager *manager, bool on);
int nx_manager_get_developer_mode(struct nx_manager *manager, bool *ret_on);
/** The policy's files: a record for each, or for each warning of it. */
int nx_manager_list_policies(struct nx_manager *manager, struct nx_list **ret_files);
/** @} */

#ifdef __cplusplus
}
#endif
