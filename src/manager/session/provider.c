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
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/session/kind.h"
#include "manager/session/table.h"

/* --- what the extension says of itself ---------------------------------------------------- */

/* A session that is not named after its extension has its name already. */
static bool accept_name(struct session *session, struct run *run)
{
        bool is_fixed = session->configuration.identifier || session->announced;

        if (session->configuration.name)
                return true;
        if (is_fixed && strcmp(session->name, run->name) != 0)
                session_fault(session, run, -EINVAL,
                              "the extension calls itself \"%s\", not \"%s\"", run->name,
                              session->name);
        else if (session_table_rename(session->table, session, run->name) < 0)
                session_fault(session, run, -EEXIST,
                              "the extension calls itself \"%s\", and a session of that name is "
                              "there already; stop that first, or give this one a --name",
                              run->name);
        else
                return true;
        return false;
}

/* The kind stays once it is decided, also when another build of the extension takes over. */
static bool accept_kind(struct session *session, struct run *run)
{
        _cleanup_free_ char *problem = NULL;
        int kind, r;

        r = kind_choose(session_get_kind(session), run->kinds, &kind, &problem);
        if (r >= 0)
                r = configuration_check_grade(&session->configuration, kind, &problem);
        if (r < 0) {
                session_fault(session, run, r, "%s", problem ?: strerror(-r));
                return false;
        }
        session->kind = kind;
        return true;
}

/* --- files -------------------------------------------------------------------------------- */

static void send_file(struct session *session, struct run *run, const struct watched_file *file)
{
        _cleanup_fd_ int fd = watched_file_get_fd(file);
        struct wire_writer *writer;
        int r;

        if (fd < 0)
                return;
        writer = run_begin(run, NX_MSG_EXTENSION_FILE);
        if (!writer)
                return;
        wire_put_string(writer, WIRE_ATTR_SESSION_NAME, session->name);
        wire_put_string(writer, WIRE_ATTR_NAME, file->configured->name);
        wire_put_string(writer, WIRE_ATTR_TEXT, file->configured->path);
        r = run_send(run, fd);
        if (r < 0)
                session_fault(session, run, r, "cannot send a file to the extension: %s",
                              strerror(-r));
}

static void send_files(struct session *session, struct run *run)
{
        for (size_t i = 0; i < session->n_files; i++)
                send_file(session, run, &session->files[i]);
}

void session_file_changed(struct watched_file *file, const char *problem, void *userdata)
{
        struct session *session = userdata;
        struct run *run = extension_incumbent(session->extension);

        if (problem) {
                text_set(&session->message, "cannot read %s: %s; the extension keeps what it had",
                         file->configured->path, problem);
                log_warning("%s: %s", session->name, session->message);
                return;
        }
        log_info("%s: %s changed", session->name, file->configured->path);
        if (run)
                send_file(session, run, file);
}

/* --- the flow channel --------------------------------------------------------------------- */

static int send_channel(struct session *session, struct run *run, int fd)
{
        struct wire_writer *writer = run_begin(run, NX_MSG_EXTENSION_CHANNEL);

        if (!writer)
                return -ENOBUFS; /* it has ended for that */
        wire_put_string(writer, WIRE_ATTR_NAME, session->name);
        return run_send(run, fd);
}

static int give_channel(struct session *session, struct run *run, int fd)
{
        struct engine *engine = session->table->engine;
        bool may_inspect = run_may_inspect(run);

        return run->role == RUN_COMING
                       ? engine_give_successor(engine, session->slot, run->number, may_inspect, fd)
                       : engine_give_channel(engine, session->slot, run->number, may_inspect, fd);
}

/* A session that waited for flowd, or for its extension, now has both. */
static void session_connect(struct session *session, struct run *run)
{
        _cleanup_fd_ int engine_fd = -1, provider_fd = -1;
        int pair[2], r;

        r = channel_pair(pair);
        if (r >= 0) {
                engine_fd = pair[0];
                provider_fd = pair[1];
                r = give_channel(session, run, engine_fd);
        }
        if (r >= 0)
                r = send_channel(session, run, provider_fd);
        if (r == -ENOTCONN)
                return; /* the next flowd asks for it */
        if (r < 0) {
                session_fault(session, run, r, "cannot connect it to netext-flowd: %s",
                              strerror(-r));
                return;
        }
        if (run->role == RUN_COMING) {
                session->has_successor = true;
                return;
        }
        session->has_channel = true;
        session->state = WIRE_SESSION_STARTING;
        session_changed(session);
}

static bool is_connected(const struct session *session, const struct run *run)
{
        return run->role == RUN_COMING ? session->has_successor : session->has_channel;
}

/* 0 or negative errno; -ENOTCONN: the next flowd will hear of it. */
static int session_announce(struct session *session)
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
                        .cgroup_id = session->extension->cgroup_id,
                });
        if (r >= 0)
                session->announced = true;
        return r;
}

void session_greeted(struct session *session, struct run *run)
{
        int r;

        if (session->stopping || !accept_name(session, run) || !accept_kind(session, run))
                return;
        send_files(session, run);
        session->table->listener->greeted(session, run, session->table->userdata);
        if (!session->announced) {
                r = session_announce(session);
                if (r < 0 && r != -ENOTCONN)
                        session_fault(session, run, r, "cannot tell netext-flowd about it: %s",
                                      strerror(-r));
        }
        if (session->announced && !is_connected(session, run))
                session_connect(session, run);
}

/* --- what flowd says ---------------------------------------------------------------------- */

void session_engine_ready(struct session *session, bool adopted)
{
        struct run *run = extension_incumbent(session->extension);
        bool is_greeted = run && run->greeted;

        if (session->stopping) {
                if (adopted && session->announced)
                        (void)engine_remove_session(session->table->engine, session->slot,
                                                    NX_PROVIDER_STOP_USER_INITIATED);
                return;
        }
        /* A channel that was on its way when the link broke may not have arrived. */
        if (session->state != WIRE_SESSION_RUNNING)
                session->has_channel = false;
        if (!session->successor_runs)
                session->has_successor = false;
        if (!adopted && (session->announced || (is_greeted && session->kind)))
                (void)session_announce(session);
        if (is_greeted && session->announced && !session->has_channel)
                session_connect(session, run);
        run = extension_find_run(session->extension, RUN_COMING);
        if (run && run->greeted && session->announced && !session->has_successor)
                session_connect(session, run);
}

void session_engine_died(struct session *session)
{
        session->has_channel = session->has_successor = session->successor_runs = false;
        if (session->state == WIRE_SESSION_RUNNING)
                session->state = WIRE_SESSION_STARTING;
}

static void session_is_running(struct session *session, const struct run *run)
{
        if (session->state == WIRE_SESSION_RUNNING)
                return;
        session->state = WIRE_SESSION_RUNNING;
        session->ran = session->extension->ran = true;
        if (!session->running_since_ns)
                session->running_since_ns = clock_realtime_ns();
        log_info("%s runs (pid %d, uid %u)", session->name, run->process.pid,
                 session->extension->uid);
        session_settled(session, 0);
}

void session_turned(struct session *session, struct run *run)
{
        bool runs = session->successor_runs;

        session->has_channel = session->has_successor;
        session->has_successor = session->successor_runs = false;
        if (session->state == WIRE_SESSION_RUNNING && !runs)
                session->state = WIRE_SESSION_STARTING;
        if (runs)
                session_is_running(session, run);
}

static const char *problem_of(const struct session *session, const char *text)
{
        return text && *text ? text : session->message ?: "its provider did not start";
}

static void incumbent_state(struct session *session, struct run *run, enum wire_session_state state,
                            int result, const char *text)
{
        if (!session->has_channel)
                return;
        if (state == WIRE_SESSION_RUNNING)
                session_is_running(session, run);
        else if (state == WIRE_SESSION_FAILED)
                session_fault(session, run, result < 0 ? result : -EIO, "%s",
                              problem_of(session, text));
}

static void successor_state(struct session *session, struct run *run, enum wire_session_state state,
                            int result, const char *text)
{
        if (!session->has_successor)
                return;
        session->successor_runs = state == WIRE_SESSION_RUNNING;
        if (state == WIRE_SESSION_FAILED)
                session_fault(session, run, result < 0 ? result : -EIO, "%s",
                              problem_of(session, text));
        extension_try_turn(session->extension);
}

void session_engine_state(struct session *session, uint32_t number, enum wire_session_state state,
                          int result, const char *text)
{
        struct run *run = extension_find_number(session->extension, number);

        if (session->stopping || !run || run->ending)
                return;
        if (run->role == RUN_INCUMBENT)
                incumbent_state(session, run, state, result, text);
        else if (run->role == RUN_COMING)
                successor_state(session, run, state, result, text);
        else if (state == WIRE_SESSION_FAILED)
                run_fault(run, result, "%s", problem_of(session, text));
}

void session_engine_drained(struct session *session, uint32_t number)
{
        struct run *run = extension_find_number(session->extension, number);

        if (run)
                extension_drained(run, session->client.slot);
}
