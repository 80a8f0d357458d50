/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/filter.h
 *
 * The content filter's data provider: decides new flows. Those that the instance's programs begin;
 * and those that others begin, once a rule says so (netext/rule.h, direction).
 * See netext/extension.h for a whole one.
 */

#include <netext/flow.h>
#include <netext/rule.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The running filter, as the extension sees it. Valid from start_filter to stop_filter. */
struct nx_filter;

/** Rules and a default action, built before they are applied as one. */
struct nx_filter_settings;

/** What a rule makes of a flow (NEFilterAction). */
enum nx_filter_action {
        /** Allowed in the kernel, without asking the provider. */
        NX_FILTER_ACTION_ALLOW = 1,
        /** Denied in the kernel: TCP connect() and UDP sendto() fail with EPERM, a connected
         *  UDP socket gets ECONNREFUSED. Who begins an inbound flow is refused: TCP by a reset,
         *  UDP by an ICMP error. */
        NX_FILTER_ACTION_DROP = 2,
        /** Ask: handle_new_flow is called. */
        NX_FILTER_ACTION_FILTER_DATA = 4,
};

/** What becomes of bytes that a filter was shown (NEFilterDataVerdict). */
struct nx_data_verdict {
        /** FILTER_DATA: pass_bytes and peek_bytes count. ALLOW: this and all later bytes, both
         *  directions, pass, and the filter is not asked about the flow again. DROP: the flow ends
         *  now, both ends are reset. PAUSE: as FILTER_DATA with 0 and 0, until nx_flow_update(). */
        enum nx_verdict verdict;
        /** From the shown offset on, so many bytes are released. NX_DATA_BYTES_MAX: all that this
         *  direction will ever have. */
        uint64_t pass_bytes;
        /** Behind what is released, show so many bytes next (or what there is at the end of the
         *  stream); 0: any. What is neither released nor shown waits. */
        uint64_t peek_bytes;
};

#define NX_DATA_BYTES_MAX UINT64_MAX

/** No call shows more bytes than this. */
#define NX_DATA_SHOWN_MAX 524288
/** To ask to see more than this next is to ask for so many. A filter that was shown as many,
 *  releases none of them and does not pause can learn nothing more: the flow is reset. */
#define NX_DATA_PEEK_MAX 32768

/** What a report is about (NEFilterReportEvent). */
enum nx_report_event {
        /** The flow has its verdict. */
        NX_REPORT_NEW_FLOW = 1,
        /** The filter has decided about the rest of its bytes, by ALLOW or DROP. */
        NX_REPORT_DATA_DECISION = 2,
        /** It is over; the last report. */
        NX_REPORT_FLOW_CLOSED = 3,
        /** How it goes. */
        NX_REPORT_STATISTICS = 4,
};

/** How often statistics come (NEFilterReportFrequency): never, every 5 s, 1 s, 0.5 s. */
enum nx_report_frequency {
        NX_REPORT_FREQUENCY_NONE = 0,
        NX_REPORT_FREQUENCY_LOW = 1,
        NX_REPORT_FREQUENCY_MEDIUM = 2,
        NX_REPORT_FREQUENCY_HIGH = 3,
};

/** NEFilterReport. */
struct nx_report {
        enum nx_report_event event;
        /** What became of the flow, whoever decided: DROP also where it was refused or ended. */
        enum nx_filter_action action;
        /** False where the counts are not known, and 0: of NEW_FLOW and DATA_DECISION, of a
         *  connection that was reset or whose program ended before the flow was decided, and where
         *  the kernel does not count (netextctl doctor). */
        bool has_counts;
        /** What the program said, and what came for it, without headers: exact when the program has
         *  closed its socket. Where the platform carried the flow, what it passed on. */
        uint64_t bytes_outbound;
        uint64_t bytes_inbound;
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

        /** Decide flow. Anything but ALLOW, DROP, REFUSE, FILTER_DATA and PAUSE is a fault of the
         *  extension, which ends it; so is FILTER_DATA where neither function for data is there. A
         *  flow that is paused and not kept is refused. Without this function every flow that is
         *  asked about is allowed. */
        enum nx_verdict (*handle_new_flow)(struct nx_filter *filter, struct nx_flow *flow,
                                           void *userdata);

        /**
         * Bytes of a flow that handle_new_flow answered with FILTER_DATA, in order, without gaps
         * and held back until they are released: TCP from the stream, UDP one datagram each,
         * which passes or is dropped as a whole. Outbound is what the program here says, whoever
         * began the flow. offset counts from the start of that direction.
         * bytes are borrowed, at most NX_DATA_SHOWN_MAX. A verdict that is none of a data verdict's
         * is a fault of the extension. Without the function that direction passes unseen. An
         * inspected flow stays valid until handle_flow_ended or stop_filter has returned, without
         * nx_flow_ref().
         */
        struct nx_data_verdict (*handle_outbound_data)(struct nx_filter *filter,
                                                       struct nx_flow *flow, uint64_t offset,
                                                       const void *bytes, size_t size,
                                                       void *userdata);
        struct nx_data_verdict (*handle_inbound_data)(struct nx_filter *filter,
                                                      struct nx_flow *flow, uint64_t offset,
                                                      const void *bytes, size_t size,
                                                      void *userdata);
        /** That direction said all it had to say, and all of it was shown. What is still held is
         *  decided now: ALLOW, DROP, or FILTER_DATA to release it; or by nx_flow_update() after
         *  PAUSE. Without the function it is released, and the other direction still shown. */
        struct nx_data_verdict (*handle_outbound_complete)(struct nx_filter *filter,
                                                           struct nx_flow *flow, void *userdata);
        struct nx_data_verdict (*handle_inbound_complete)(struct nx_filter *filter,
                                                          struct nx_flow *flow, void *userdata);
        /** A flow that was inspected is over. Called once, also after ALLOW and DROP; not for what
         *  is inspected when the session stops. Or one that is paused needs no answer any more: the
         *  program of a connection is gone, a datagram waited for too long, or somebody ended it. */
        void (*handle_flow_ended)(struct nx_filter *filter, struct nx_flow *flow, void *userdata);

        /** A report that nx_flow_want_reports() asked for. report is borrowed. The flow stays valid
         *  until the last one has returned, without nx_flow_ref(). */
        void (*handle_report)(struct nx_filter *filter, struct nx_flow *flow,
                              const struct nx_report *report, void *userdata);

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

/** The session's name. */
const char *nx_filter_get_name(struct nx_filter *filter);

/** Tells the administrator something, by the session's record and the log. One line. */
void nx_filter_report(struct nx_filter *filter, enum nx_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/** The longest time for nx_flow_remember(): a day. */
#define NX_FLOW_REMEMBER_MAX 86400

/** The ALLOW, DROP or REFUSE that is returned next (or given to nx_flow_resume()) is the answer for
 *  so many seconds, whenever the same user's same program, by its path, begins a flow of the same
 *  protocol to the same address and port: the kernel gives it then, and this filter is not asked.
 *  What is dropped or refused that way is denied as by a rule. Rules that match are stronger, and
 *  nx_filter_apply() has all of it forgotten. Where a program has no path that can be trusted, or
 *  the kernel has no room, the filter is asked as ever. 0: not (the default). -EINVAL for an
 *  inbound flow, one that is not being decided, or more than NX_FLOW_REMEMBER_MAX; -ESTALE as in
 *  nx_flow_resume(). */
int nx_flow_remember(struct nx_flow *flow, unsigned int seconds);

/** @name Inspected flows
 *  @{ */
/** What the FILTER_DATA that is returned next (or given to nx_flow_resume()) asks for: how many
 *  bytes of each direction to show first (0: any; NX_DATA_BYTES_MAX: none, that direction passes
 *  unseen). Without this call: any of both. -EINVAL for a flow that handle_new_flow does not have
 *  and that is not paused, -ESTALE as in nx_flow_resume(). */
int nx_flow_filter_data(struct nx_flow *flow, uint64_t peek_outbound, uint64_t peek_inbound);
/** Decides about bytes unasked: after PAUSE, or to change one's mind about an inspected flow, also
 *  before there were any. pass_bytes counts from what is released already; offsets only grow, so
 *  what was released stays so. direction: outbound or inbound; ALLOW and DROP are for both. -EINVAL
 *  for other verdicts or a flow that is not inspected, -EALREADY after ALLOW or DROP, -ESTALE as in
 *  nx_flow_resume(). -EBUSY inside a function that looks at this flow's bytes: return it there.
 *  (FILTER_DATA for the other direction can be said there, too.) */
int nx_flow_update(struct nx_flow *flow, enum nx_direction direction,
                   struct nx_data_verdict verdict);
/** @} */

/** @name Live flows
 *  @{ */
/** Asks for reports of the flow (shouldReport and statisticsReportFrequency), with the verdict that
 *  is returned next or given to nx_flow_resume(): of its verdict, at frequency while it is open,
 * and of its end. -EINVAL without handle_report, for another frequency, and for a flow that
 *  handle_new_flow does not have and that is not paused; -ESTALE as in nx_flow_resume(). */
int nx_flow_want_reports(struct nx_flow *flow, enum nx_report_frequency frequency);

/** result: 0: it is over, and nothing of it passes any more, neither way; -EALREADY: it was over
 *  before; -ENOENT: it is not kept any more; -EPERM: it did not pass this session; -EOPNOTSUPP: it
 *  is a connection without a socket that is known, of raw packets; -ESTALE: netext-flowd or the
 *  session ended before it answered, so the flow may go on. */
typedef void nx_filter_updated_fn(struct nx_filter *filter, uint64_t flow, int result,
                                  void *userdata);

/**
 * Gives a live flow another verdict (NEFilterDataProvider's updateFlow), whatever it is by now:
 * passed in the kernel, carried, inspected, paused by a later filter, or claimed by a proxy. flow
 * is its number (nx_flow_get_identifier()); any that this session was asked about, or that its
 * rules let pass. verdict: DROP ends it now: its program is told ECONNABORTED (TCP, connected UDP)
 * or EPERM (UDP); where the kernel cannot end a connection, ECONNRESET when it says something. (How
 * an inspected flow goes on is nx_flow_update()'s to say.) fn (or NULL) is called once, later, from
 * dispatch. -EINVAL for another verdict, -ESTALE while the session does not run, -ENOBUFS while
 * NX_FILTER_UPDATES_MAX calls are unanswered.
 */
int nx_filter_update_flow(struct nx_filter *filter, uint64_t flow, enum nx_verdict verdict,
                          nx_filter_updated_fn *fn, void *userdata);
#define NX_FILTER_UPDATES_MAX 4096
/** @} */

/** @name Settings: rules that the kernel decides without asking
 *  @{ */
/** -EINVAL for an unknown action. loopback: false leaves flows to the host's own addresses
 *  alone (127.0.0.0/8, ::1, and those of its interfaces), whatever the rules say. */
int nx_filter_settings_new(struct nx_filter_settings **ret_settings,
                           enum nx_filter_action default_action, bool loopback);
/** NULL in, NULL out. */
struct nx_filter_settings *nx_filter_settings_free(struct nx_filter_settings *settings);
/** First match wins. -EINVAL (a field does not parse; settings unchanged), -E2BIG. */
int nx_filter_settings_add_rule(struct nx_filter_settings *settings, enum nx_filter_action action,
                                const struct nx_rule *rule);

/** result: 0, or a negative errno with the old settings still in force. */
typedef void nx_filter_applied_fn(struct nx_filter *filter, int result, void *userdata);

/**
 * Replaces the session's settings as one; settings stay the caller's. fn (or NULL) is called
 * once, later, from dispatch. Without settings every outbound flow is asked about. Settings in
 * force outlive a restart of the daemon: the library applies them again before start_filter is.
 * -ENOBUFS while 16 earlier calls are unanswered.
 */
int nx_filter_apply(struct nx_filter *filter, const struct nx_filter_settings *settings,
                    nx_filter_applied_fn *fn, void *userdata);
/** @} */

#ifdef __cplusplus
}
#endif
