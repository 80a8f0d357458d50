/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A session whose provider is replaced, without a flow that notices. The successor is a session
 * of the same slot, with a conversation of its own:
 *
 *      COMING ──started, and told to take its turn──▶ IN_PLACE ──▶ LEAVING, no flows left ──▶ gone
 *
 * What is in place is asked about new flows by its rules. Who leaves keeps the flows that it was
 * asked about, claimed or inspects until they are over, and may still answer. It is gone when
 * it has none, or when its provider is.
 */

#include <stdbool.h>
#include <stdint.h>

#include <netext/netext.h>

struct chain;
struct flow;
struct flow_inspector;
struct session;

/* A successor for session, over fd, which it takes. 0 or negative errno. */
int successor_add(struct session *session, int fd, uint32_t process, bool may_inspect);
/* Those in that process take their places in the sessions of slots, a bit each, at once. */
void successor_turn(struct chain *chain, uint64_t slots, uint32_t process);
/* The session of that slot is removed, and with it all that are beside it. */
void successor_remove_all(struct session *session, enum nx_provider_stop_reason reason);
/* Who has no flows any more is asked to drain; who is gone is freed. */
void successor_tidy(struct chain *chain);
/* NX_MSG_ENGINE_DRAINED. 0 or -EBADMSG. */
int successor_drained(struct session *session);

/* The session, in place or leaving, of that slot and activation, while that run of its provider
 * lasts; NULL: it is gone. */
struct session *successor_find_run(struct chain *chain, unsigned int slot, uint64_t activation,
                                   unsigned int run);
/* The one whose provider asked for the flow's bytes. */
struct session *successor_find_inspector(struct chain *chain,
                                         const struct flow_inspector *inspector);
/* Nobody is shown the flow's bytes any more. */
void successor_inspectors_over(struct chain *chain, struct flow *flow);
