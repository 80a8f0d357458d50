/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is different about the session of a packet filter: its rules are about packets, and its
 * packets go by lanes (packet/packets.h) and not by the flow channel. All of these are fine for
 * other sessions, too, where nothing is said against it.
 */

#include <stdbool.h>

struct chain;
struct session;
struct wire_message;

void packet_session_init(struct session *session);
void packet_session_deinit(struct session *session);
/* Those in place, in their order. */
void packet_sessions_order(struct chain *chain);

/* The provider of a packet filter has started. 0 or a negative errno. */
int packet_session_start(struct session *session);
/* The provider is gone. */
void packet_session_close(struct session *session);
/* Do packets wait for its provider? Then a round comes soon to ask again. */
bool packet_session_owes(struct session *session);

/* Is it about the settings, which a packet filter has of its own kind? */
bool packet_session_is_about(const struct wire_message *message);
int packet_session_read(struct session *session, const struct wire_message *message);
