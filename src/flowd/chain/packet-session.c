/* SPDX-License-Identifier: Apache-2.0 */

/* Rules are gathered from BEGIN to COMMIT, as those about flows (chain/session.c). */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "chain/chain.h"
#include "chain/packet-session.h"
#include "chain/session.h"
#include "packet/packets.h"

void packet_session_init(struct session *session)
{
        const struct packet_filter_config config = {
                .slot = session->slot,
                .cgroup_id = session->cgroup_id,
                .fail_policy = session->fail_policy,
                .verdict_timeout_ns = session->verdict_timeout_ns,
        };
        int r;

        if (session_is_about_flows(session))
                return;
        r = packet_filter_new(&session->packets, session->chain->packets, &config);
        if (r < 0)
                log_error("session %s: no queues for packets can be had: %s", session->name,
                          strerror(-r));
}

void packet_session_deinit(struct session *session)
{
        session->packets = packet_filter_free(session->packets);
}

void packet_sessions_order(struct chain *chain)
{
        struct packet_filter *filters[STEER_SESSIONS_MAX];
        size_t n = 0;

        for (size_t i = 0; i < chain->n_sessions; i++)
                if (chain->order[i]->packets)
                        filters[n++] = chain->order[i]->packets;
        packets_set_order(chain->packets, filters, n);
}

int packet_session_start(struct session *session)
{
        int r = session->packets ? packet_filter_connect(session->packets, &session->channel)
                                 : -ENOBUFS;

        if (r >= 0)
                return 0;
        log_error("session %s: its packets cannot be had: %s", session->name, strerror(-r));
        return session_fail(session, r, "the kernel does not give us the packets to filter");
}

void packet_session_close(struct session *session)
{
        free(session->coming_packets);
        session->coming_packets = NULL;
        if (session->packets)
                packet_filter_disconnect(session->packets);
}

bool packet_session_owes(struct session *session)
{
        if (!session->packets || packet_filter_is_idle(session->packets))
                return false;
        session_look_again(session);
        return true;
}

bool packet_session_is_about(const struct wire_message *message)
{
        return message->type == NX_MSG_ENGINE_SETTINGS_BEGIN ||
               message->type == NX_MSG_ENGINE_SETTINGS_RULE ||
               message->type == NX_MSG_ENGINE_SETTINGS_COMMIT;
}

static int begin(struct session *session, const struct wire_message *message)
{
        free(session->coming_packets);
        session->coming_packets = NULL;
        session->coming_packets_id = message->id;
        return packet_rules_begin(&session->coming_packets, message);
}

static int commit(struct session *session, const struct wire_message *message)
{
        int r = -ENOBUFS;

        if (!session->coming_packets || session->coming_packets_id != message->id)
                return -EBADMSG;
        if (session->packets)
                r = packet_filter_set_rules(session->packets, session->coming_packets);
        if (r < 0)
                free(session->coming_packets);
        session->coming_packets = NULL;
        return session_answer_settings(session, message->id, r);
}

int packet_session_read(struct session *session, const struct wire_message *message)
{
        switch (message->type) {
        case NX_MSG_ENGINE_SETTINGS_BEGIN:
                return begin(session, message);
        case NX_MSG_ENGINE_SETTINGS_RULE:
                return session->coming_packets ? packet_rules_add(session->coming_packets, message)
                                               : -EBADMSG;
        default:
                return commit(session, message);
        }
}
