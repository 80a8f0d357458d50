/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The session between flowd and its extension, either of which may come, go and come
 * again. A session is announced to flowd once it has a name, which the extension's first
 * hello gives it; from then on every flowd knows it, so that its fail policy stands also
 * while nobody answers. Both ends of a fresh flow channel are given out whenever both
 * sides are there and have none.
 */

#include <errno.h>
#include <string.h>

#include <netext/netext.h>

#include "base/log.h"
#include "manager/loop/timer.h"
#include "manager/session/extension.h"
#include "manager/session/table.h"

/* A session that waited for flowd, or for its extension, now has both. */
static void session_connect(struct session *session)
{
        _cleanup_fd_ int engine_fd = -1, provider_fd = -1;
        int pair[2], r;

        r = channel_pair(pair);
        if (r >= 0) {
                engine_fd = pair[0];
                provider_fd = pair[1];
                r = engine_give_channel(session->table->engine, session->slot, engine_fd);
        }
        if (r >= 0)
                r = extension_send_channel(session, provider_fd);
        if (r == -ENOTCONN)
                return; /* the next flowd asks for it */
        if (r < 0) {
                session_fault(session, r, "cannot connect it to netext-flowd: %s", strerror(-r));
                return;
        }
        session->has_channel = true;
        session->state = WIRE_SESSION_STARTING;
        session_changed(session);
}

static void session_announce(struct session *session)
{
        const struct configuration *configuration = &session->configuration;
        int r;

        r = engine_add_session(
                session->table->engine,
                &(struct engine_session){
                        .slot = session->slot,
                        .name = session->name,
                        .kind = (uint8_t)session->kind,
                        .order = configuration->order,
                        .grade = (uint8_t)(session_get_grade(session) ?: NX_FILTER_GRADE_FIREWALL),
                        .fail_policy = (uint8_t)configuration->fail_policy,
                        .verdict_timeout_ms = configuration->verdict_timeout_ms,
                        .ready_timeout_ms = configuration->ready_timeout_ms,
                        .cgroup_id = session->cgroup_id,
                });
        if (r >= 0)
                session->announced = true;
        else if (r != -ENOTCONN)
                session_fault(session, r, "cannot tell netext-flowd about it: %s", strerror(-r));
}

void session_greeted(struct session *session)
{
        session->greeted = true;
        if (session->stopping)
                return;
        timer_stop(&session->deadline);
        extension_send_files(session);
        if (!session->announced)
                session_announce(session);
        if (session->announced && session->greeted && !session->has_channel)
                session_connect(session);
}

void session_control_lost(struct session *session, const char *why)
{
        session->greeted = false;
        if (session->ending || session->stopping)
                return;
        log_debug("%s: control channel of the extension lost: %s", session->name, why);
        session_wait_for_hello(session);
}

void session_engine_ready(struct session *session, bool adopted)
{
        if (session->stopping) {
                if (adopted && session->announced)
                        (void)engine_remove_session(session->table->engine, session->slot);
                return;
        }
        /* A channel that was on its way when the link broke may not have arrived. */
        if (session->state != WIRE_SESSION_RUNNING)
                session->has_channel = false;
        if (!adopted && (session->announced || session->greeted))
                session_announce(session);
        if (session->greeted && !session->has_channel)
                session_connect(session);
}

void session_engine_died(struct session *session)
{
        session->has_channel = false;
        if (session->state == WIRE_SESSION_RUNNING)
                session->state = WIRE_SESSION_STARTING;
        if (session->stopping && process_is_alive(&session->process) && !session->ending)
                session_end_extension(session);
}

static void session_is_running(struct session *session)
{
        if (session->state == WIRE_SESSION_RUNNING)
                return;
        session->state = WIRE_SESSION_RUNNING;
        session->ran = true;
        if (!session->running_since_ns)
                session->running_since_ns = clock_realtime_ns();
        log_info("%s runs (pid %d, uid %u)", session->name, session->process.pid, session->uid);
        session_settled(session, 0);
}

void session_engine_state(struct session *session, enum wire_session_state state, int result,
                          const char *text)
{
        if (session->stopping || session->ending || !session->has_channel)
                return;
        if (state == WIRE_SESSION_RUNNING)
                session_is_running(session);
        else if (state == WIRE_SESSION_FAILED)
                session_fault(session, result < 0 ? result : -EIO, "%s",
                              text && *text ? text : session->message ?: "its provider did not start");
}
