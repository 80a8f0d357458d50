/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sessions beside those in place. One that is over is freed at the end of the round, since it may
 * be its own message that is being read.
 */

#include "chain/successor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "chain/chain.h"
#include "chain/packet-session.h"
#include "chain/settings.h"

static struct session *successor_new(const struct session *session)
{
        struct session *successor = malloc(sizeof(*successor));

        if (!successor)
                return NULL;
        *successor = (struct session){
                .chain = session->chain,
                .in_use = true,
                .slot = session->slot,
                .kind = session->kind,
                .order = session->order,
                .grade = session->grade,
                .fail_policy = session->fail_policy,
                .verdict_timeout_ns = session->verdict_timeout_ns,
                .ready_timeout_ns = session->ready_timeout_ns,
                .cgroup_id = session->cgroup_id,
                .activation = session->activation,
                .place = SESSION_COMING,
                .channel = CHANNEL_NULL,
                .io = LOOP_IO_NULL,
        };
        memcpy(successor->name, session->name, sizeof(successor->name));
        session_init(successor);
        packet_session_init(successor);
        return successor;
}

static struct session *find_coming(struct chain *chain, unsigned int slot)
{
        struct session *session;

        list_for_each (session, &chain->beside, beside)
                if (session->slot == slot && session->place == SESSION_COMING &&
                    session->channel.fd >= 0)
                        return session;
        return NULL;
}

int successor_add(struct session *session, int fd, uint32_t process, bool may_inspect)
{
        struct session *successor = find_coming(session->chain, session->slot);

        if (!successor) {
                successor = successor_new(session);
                if (!successor) {
                        close_fd(fd);
                        return -ENOMEM;
                }
                list_append(&session->chain->beside, &successor->beside);
        }
        session_set_channel(successor, fd, process, may_inspect);
        return 0;
}

/* --- the turn ----------------------------------------------------------------------------- */

static void take_place(struct session *successor, struct session *leaving)
{
        struct chain *chain = successor->chain;
        int r;

        list_remove(&successor->beside);
        successor->place = SESSION_IN_PLACE;
        leaving->place = SESSION_LEAVING;
        list_append(&chain->beside, &leaving->beside);
        chain_put(chain, successor);
        r = session_put_rules(successor);
        if (r < 0)
                log_error("session %s: the rules of its new provider cannot be put in force: %s",
                          successor->name, strerror(-r));
}

void successor_turn(struct chain *chain, uint64_t slots, uint32_t process)
{
        for (unsigned int slot = 0; slot < STEER_SESSIONS_MAX; slot++) {
                struct session *successor = find_coming(chain, slot);
                struct session *leaving = chain_session(chain, slot);

                if (!(slots >> slot & 1) || !leaving || !successor || successor->process != process)
                        continue;
                take_place(successor, leaving);
                session_judge_again(leaving); /* what waited for its provider to start */
        }
}

/* --- the end of those beside -------------------------------------------------------------- */

static bool has_flows(struct session *session)
{
        return !list_is_empty(&session->starting) || !list_is_empty(&session->asked) ||
               !list_is_empty(&session->paused) || !list_is_empty(&session->opening) ||
               !list_is_empty(&session->claimed) || session->n_inspected > 0 ||
               packet_session_owes(session);
}

static void beside_free(struct session *session)
{
        list_remove(&session->beside);
        packet_session_deinit(session);
        settings_free(session->rules);
        free(session);
}

int successor_drained(struct session *session)
{
        struct chain_listener *listener = &session->chain->listener;

        if (!session->asked_to_drain)
                return -EBADMSG;
        listener->session_drained(session, listener->userdata);
        session_stop(session, NX_PROVIDER_STOP_APP_UPDATE);
        return 0;
}

void successor_tidy(struct chain *chain)
{
        struct session *session, *following;

        list_for_each_safe (session, following, &chain->beside, beside) {
                if (session->channel.fd < 0)
                        beside_free(session);
                else if (session->place == SESSION_LEAVING && !session->asked_to_drain &&
                         !has_flows(session))
                        session_ask_to_drain(session);
        }
}

void successor_remove_all(struct session *session, enum nx_provider_stop_reason reason)
{
        struct chain *chain = session->chain;
        struct session *other, *following;

        list_for_each_safe (other, following, &chain->beside, beside) {
                if (other->slot != session->slot)
                        continue;
                other->in_use = false;
                chain_let_all_go(chain, other);
                session_stop(other, reason);
        }
}

/* --- inspectors --------------------------------------------------------------------------- */

static bool is_run(const struct session *session, unsigned int slot, uint64_t activation,
                   unsigned int run)
{
        return session->slot == slot && session->activation == activation && session->run == run;
}

struct session *successor_find_run(struct chain *chain, unsigned int slot, uint64_t activation,
                                   unsigned int run)
{
        struct session *session = chain_session(chain, slot);

        if (session && is_run(session, slot, activation, run))
                return session;
        list_for_each (session, &chain->beside, beside)
                if (is_run(session, slot, activation, run))
                        return session;
        return NULL;
}

struct session *successor_find_inspector(struct chain *chain,
                                         const struct flow_inspector *inspector)
{
        return successor_find_run(chain, inspector->slot, inspector->activation, inspector->run);
}

void successor_inspectors_over(struct chain *chain, struct flow *flow)
{
        for (unsigned int i = 0; i < flow->n_inspectors; i++) {
                struct flow_inspector *inspector = &flow->inspectors[i];
                struct session *session = successor_find_inspector(chain, inspector);

                if (session && !inspector->is_over)
                        session->n_inspected--;
                inspector->is_over = true;
        }
}
