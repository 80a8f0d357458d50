/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Questions to people, from nx_flow_ask() until the flows that wait for them are answered. */

#include "sdk/session.h"

struct asks {
        struct list open; /* ask.link, oldest first */
        uint64_t last_number;
};

void asks_init(struct asks *asks);

/* The flow was answered with PAUSE after nx_flow_ask(). */
int ask_begin(struct session *session, struct nx_flow *flow);
/* The flow does not wait for an answer any more. It may be freed. Fine on any flow. */
void ask_forget(struct nx_flow *flow);
/* What came of a question belongs to the verdict. */
void ask_put(const struct nx_flow *flow, struct wire_writer *writer);

/* No flow of the session waits any more. */
void asks_end_session(struct session *session);
/* netextd is gone, and with it whoever was attached there. */
void asks_lose_daemon(struct nx_provider *provider);
/* EXTENSION_ANSWER. */
int asks_handle_answer(struct nx_provider *provider, const struct wire_message *message);
