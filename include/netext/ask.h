/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/ask.h
 *
 * A filter has people decide: the flow is paused, and whoever is attached (`netextctl ask`, or an
 * app with netext/prompt.h) is asked about it.
 *
 * @code
 * static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
 *                                        void *userdata)
 * {
 *         static const struct nx_ask ask = { NX_ASK_INIT, .timeout_ms = 60000 };
 *
 *         return nx_flow_ask(flow, &ask) ? NX_VERDICT_REFUSE : NX_VERDICT_PAUSE;
 * }
 * @endcode
 */

#include <netext/filter.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Without a time-out of its own, an answer is waited for so long. */
#define NX_ASK_TIMEOUT_MS     30000
#define NX_ASK_TIMEOUT_MS_MAX 600000
/** Of datagrams never longer than this: the kernel does not keep them for ever. */
#define NX_ASK_DATAGRAM_MS 9000

/** Initialise with NX_ASK_INIT. */
struct nx_ask {
        size_t size;
        /** How long an answer is waited for; 0: NX_ASK_TIMEOUT_MS. */
        uint32_t timeout_ms;
        /** Which of the extension's rules asks, at most 63 bytes: shown with the question, and in
         *  the flow's record. NULL: nx_flow_get_rule(). */
        const char *label;
};

#define NX_ASK_INIT .size = sizeof(struct nx_ask)

/**
 * Has people asked about the flow that handle_new_flow was called with; that returns
 * NX_VERDICT_PAUSE then. The library keeps the flow and answers it: ALLOW or REFUSE, as somebody
 * said; where nobody is attached, or answers in time, or the session has NX_QUESTIONS_MAX open, as
 * its fail policy says. nx_flow_resume() can still do it before.
 *
 * Flows of one process to one host and port are one question. Who answers can say that it counts
 * for longer: then netextd keeps it, and the library answers later flows by itself, as soon as
 * they are asked about.
 *
 * 0; -EINVAL for a flow that is not of handle_new_flow of a filter, or a bad ask; -ESTALE as in
 * nx_flow_resume(); -ENOMEM.
 */
int nx_flow_ask(struct nx_flow *flow, const struct nx_ask *ask);

/** Questions that a session can have open. */
#define NX_QUESTIONS_MAX 1024

#ifdef __cplusplus
}
#endif
