/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/filter.h
 *
 * The content filter's data provider: decides new flows.
 *
 * @code
 * static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_filter_flow *flow,
 *                                        void *userdata)
 * {
 *         return nx_filter_flow_get_remote_port(flow) == 25 ? NX_VERDICT_REFUSE
 *                                                           : NX_VERDICT_ALLOW;
 * }
 *
 * int main(void)
 * {
 *         static const struct nx_extension extension = {
 *                 NX_EXTENSION_INIT,
 *                 .identifier = "no-smtp",
 *                 .filter = { .handle_new_flow = handle_new_flow },
 *         };
 *
 *         return nx_main(&extension, NULL);
 * }
 * @endcode
 *
 * The daemon starts the program; started by hand it explains itself and exits with 2.
 * Everything runs in one thread: the one that calls nx_main() or
 * nx_provider_dispatch(). While a callback runs, flows wait; a provider that needs time
 * returns NX_VERDICT_PAUSE and answers later. Between a flow being handed over and its
 * answer at most the session's verdict timeout may pass (a paused flow is exempt), then
 * the session's fail policy decides.
 */

#include <netext/netext.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The running filter, as the extension sees it. Valid from start_filter to stop_filter. */
struct nx_filter;

/**
 * One flow. Borrowed for the length of the callback; nx_filter_flow_ref() keeps it.
 * After a NX_VERDICT_PAUSE it must be kept until it is resumed.
 */
struct nx_filter_flow;

/** Rules and a default action, built before they are applied as one. */
struct nx_filter_settings;

/** What a rule makes of a flow (NEFilterAction). */
enum nx_filter_action {
        /** Allowed in the kernel, without asking the provider. */
        NX_FILTER_ACTION_ALLOW = 1,
        /** Denied in the kernel: TCP connect() and UDP sendto() fail with EPERM, a connected
         *  UDP socket gets ECONNREFUSED. */
        NX_FILTER_ACTION_DROP = 2,
        /** Ask: handle_new_flow is called. */
        NX_FILTER_ACTION_FILTER_DATA = 4,
};

/** The functions of a filter data provider; NULL where there is nothing to do. */
struct nx_filter_provider {
        /**
         * The session starts. Until this returns, new flows wait. Apply settings here.
         * 0, or a negative errno: the session fails with the last message reported by
         * nx_filter_report().
         */
        int (*start_filter)(struct nx_filter *filter, void *userdata);

        /** The session ends; flows are not decided here any more. */
        void (*stop_filter)(struct nx_filter *filter, enum nx_provider_stop_reason reason,
                            void *userdata);

        /** Decide flow. Anything but ALLOW, DROP, REFUSE and PAUSE counts as a fault of the
         *  extension and closes its channel; so does a PAUSE for a flow that was not kept,
         *  which is refused. Without this function every flow that is asked about is allowed. */
        enum nx_verdict (*handle_new_flow)(struct nx_filter *filter, struct nx_filter_flow *flow,
                                           void *userdata);

        /**
         * A file of the session's configuration, opened by the daemon: once before
         * start_filter and again whenever it changes, so that an extension needs no right
         * to read it. fd is read-only, at offset 0, and closed by the caller. path is for
         * messages. Before start_filter, filter may already be used for
         * nx_filter_apply() and nx_filter_report().
         */
        void (*handle_file)(struct nx_filter *filter, const char *name, const char *path, int fd,
                            void *userdata);
};

/** An extension, in one static table. Start it with NX_EXTENSION_INIT. */
struct nx_extension {
        size_t size;
        /** Lower-case letters, digits and dashes; the name sessions are started by. */
        const char *identifier;
        const char *version;
        struct nx_filter_provider filter;
};

#define NX_EXTENSION_INIT .size = sizeof(struct nx_extension)

/**
 * Connects to the daemon that started this program, serves until the daemon is done
 * with it, and returns main()'s exit status. Prints to stderr what went wrong.
 */
int nx_main(const struct nx_extension *extension, void *userdata);

/** @name The same for programs with an event loop of their own.
 *  @{ */
struct nx_provider;

/** -EINVAL for a bad table, -ENOTCONN where the daemon did not start this program. extension
 *  and userdata are borrowed until nx_provider_free(). */
int nx_provider_new(struct nx_provider **ret_provider, const struct nx_extension *extension,
                    void *userdata);
/** A descriptor to poll for reading; stays the provider's. */
int nx_provider_get_fd(struct nx_provider *provider);
/** Handles what is there, without blocking. -EPIPE when the daemon is done with us. */
int nx_provider_dispatch(struct nx_provider *provider);
/** What the last failed call was about. Never NULL. */
const char *nx_provider_get_error(struct nx_provider *provider);
/** NULL in, NULL out. */
struct nx_provider *nx_provider_free(struct nx_provider *provider);
/** @} */

/** The session's name. */
const char *nx_filter_get_name(struct nx_filter *filter);

/** Tells the administrator something, by the session's record and the log. One line. */
void nx_filter_report(struct nx_filter *filter, enum nx_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/** @name Flows
 *  @{ */
struct nx_filter_flow *nx_filter_flow_ref(struct nx_filter_flow *flow);
/** NULL in, NULL out. */
struct nx_filter_flow *nx_filter_flow_unref(struct nx_filter_flow *flow);

/** Answers a paused flow: ALLOW, DROP or REFUSE. -EINVAL for other verdicts, -EALREADY if it
 *  is not paused, -ESTALE if the filter was stopped or restarted meanwhile. */
int nx_filter_flow_resume(struct nx_filter_flow *flow, enum nx_verdict verdict);

/** Unique within the instance while it runs; the number netextctl shows. */
uint64_t nx_filter_flow_get_identifier(const struct nx_filter_flow *flow);
enum nx_direction nx_filter_flow_get_direction(const struct nx_filter_flow *flow);
/** IPPROTO_TCP or IPPROTO_UDP. */
int nx_filter_flow_get_protocol(const struct nx_filter_flow *flow);
/** Numeric text, "198.18.0.1" or "fd00::1". IPv4-mapped peers show as IPv4. */
const char *nx_filter_flow_get_local_address(const struct nx_filter_flow *flow);
uint16_t nx_filter_flow_get_local_port(const struct nx_filter_flow *flow);
const char *nx_filter_flow_get_remote_address(const struct nx_filter_flow *flow);
uint16_t nx_filter_flow_get_remote_port(const struct nx_filter_flow *flow);
/** A name the instance's programs resolved to this address, or NULL. A hint: several names
 *  can share an address, and a program can connect without asking. */
const char *nx_filter_flow_get_remote_hostname(const struct nx_filter_flow *flow);
/** When the flow's first packet was held, CLOCK_REALTIME in nanoseconds. */
uint64_t nx_filter_flow_get_started_ns(const struct nx_filter_flow *flow);

/** True if the kernel knows the program whose socket this is; if not, pid and uid are
 *  (pid_t)-1 and (uid_t)-1 and the strings NULL. Never a guess. */
bool nx_filter_flow_is_attributed(const struct nx_filter_flow *flow);
int32_t nx_filter_flow_get_pid(const struct nx_filter_flow *flow);
/** CLOCK_BOOTTIME in nanoseconds: with the pid, a process for ever. */
uint64_t nx_filter_flow_get_process_started_ns(const struct nx_filter_flow *flow);
uint32_t nx_filter_flow_get_uid(const struct nx_filter_flow *flow);
/** Path of the executable as the kernel had it at socket time. */
const char *nx_filter_flow_get_program(const struct nx_filter_flow *flow);
/** False for a path inside a mount namespace that its user could have arranged. */
bool nx_filter_flow_is_program_path_trusted(const struct nx_filter_flow *flow);
/** Arguments separated by blanks, cut at 255 bytes. */
const char *nx_filter_flow_get_command_line(const struct nx_filter_flow *flow);
/** Path below the cgroup v2 mount, "/user.slice/…". */
const char *nx_filter_flow_get_cgroup(const struct nx_filter_flow *flow);
/** @} */

/** @name Settings: rules that the kernel decides without asking
 *  @{ */
#define NX_FILTER_RULES_MAX 1000

/** One rule; what is 0 or NULL matches everything. Initialise with NX_FILTER_RULE_INIT. */
struct nx_filter_rule {
        size_t size;
        enum nx_filter_action action;
        enum nx_direction direction;
        /** IPPROTO_TCP or IPPROTO_UDP. */
        int protocol;
        /** Absolute path of the executable, symbolic links resolved. */
        const char *program;
        /** The user id, or NX_FILTER_ANY_USER. */
        uint32_t user;
        /** "198.18.0.0/15", "fd00::/8", or a single address. */
        const char *remote_network;
        /** "example.org": the name itself and everything below it, by what the instance's
         *  programs resolved. */
        const char *remote_domain;
        uint16_t remote_port_first;
        uint16_t remote_port_last;
        /** Shown in a flow's record as the rule that decided, e.g. "rules:12"; at most 63 bytes. */
        const char *label;
};

#define NX_FILTER_ANY_USER  UINT32_MAX
#define NX_FILTER_RULE_INIT .size = sizeof(struct nx_filter_rule), .user = NX_FILTER_ANY_USER

/** -EINVAL for an unknown action. loopback: false leaves flows to the host's own addresses
 *  alone (127.0.0.0/8, ::1, and those of its interfaces), whatever the rules say. */
int nx_filter_settings_new(struct nx_filter_settings **ret_settings,
                           enum nx_filter_action default_action, bool loopback);
/** NULL in, NULL out. */
struct nx_filter_settings *nx_filter_settings_free(struct nx_filter_settings *settings);
/** First match wins. -EINVAL (a field does not parse; settings unchanged), -E2BIG. */
int nx_filter_settings_add_rule(struct nx_filter_settings *settings,
                                const struct nx_filter_rule *rule);

/** result: 0, or a negative errno with the old settings still in force. */
typedef void nx_filter_applied_fn(struct nx_filter *filter, int result, void *userdata);

/**
 * Replaces the session's settings as one; settings stay the caller's. fn (or NULL) is called
 * once, later, from dispatch. Without settings every flow is asked about. Settings in force
 * outlive a restart of the daemon: the library applies them again before start_filter is.
 * -ENOBUFS while 16 earlier calls are unanswered.
 */
int nx_filter_apply(struct nx_filter *filter, const struct nx_filter_settings *settings,
                    nx_filter_applied_fn *fn, void *userdata);
/** @} */

#ifdef __cplusplus
}
#endif
