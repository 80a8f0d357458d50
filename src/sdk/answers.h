/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Answers of people that netextd keeps for a session, so that nobody is asked twice. */

#include "sdk/session.h"

/* What was answered to such a question, or NX_VERDICT_NONE. */
enum nx_verdict answers_find(const struct session *session, const struct wire_message *question);

/* EXTENSION_ANSWERS_…: they replace those of before as one. */
int answers_handle_begin(struct session *session);
int answers_handle_entry(struct nx_provider *provider, const struct wire_message *message);
int answers_handle_commit(struct session *session);
void answers_deinit(struct session *session);
