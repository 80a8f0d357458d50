/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The state machine. STARTING lasts from the process being made until flowd reports that
 * the provider runs; the deadline watches the part up to the extension's hello, flowd the
 * rest. Deaths of an extension that never ran are an answer to who started it: FAILED.
 * Later ones are repaired: RESTARTING, at most BUDGET times in 10 s. Whatever the fault,
 * it takes one way: session_fault() ends the process, and what comes next is decided when
 * it is dead.
 *
 *      STARTING → RUNNING ⇄ RESTARTING → FAILED        (over budget)
 *      STARTING → FAILED
 *      any → STOPPED: flowd has the provider stop, the process ends or is ended, its cgroup
 *      is removed, the session is freed
 *
 * A new flowd takes RUNNING back to STARTING until the provider answers there; the process
 * stays.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/priv/cgroup.h"
#include "manager/session/extension.h"
#include "manager/session/table.h"

#define BUDGET          5    /* restarts in RESTARTS_WINDOW_MS */
#define STOP_FLOWS_MS   20   /* for flowd to close the flow channel */
#define STOP_TIMEOUT_MS 500  /* for stop_filter and stop_proxy */
#define KILL_TIMEOUT_MS 2000 /* from SIGTERM to SIGKILL */
#define REMOVE_RETRY_MS 10
#define REMOVALS_MAX    200

void session_changed(struct session *session)
{
        session->table->listener->changed(session->table->userdata);
}

void session_settled(struct session *session, int result)
{
        session_changed(session);
        session->table->listener->settled(session, result, session->table->userdata);
}

/* Without its deadline a session could hang for ever, so it is cut short. */
static void session_arm(struct session *session, uint64_t delay_ms, sd_event_time_handler_t fn)
{
        int r;

        r = timer_start(session->table->event, &session->deadline, delay_ms, fn, session);
        if (r < 0) {
                log_error("%s: cannot set a timer: %s", session->name, strerror(-r));
                process_signal(&session->process, SIGKILL);
        }
}

struct session *session_new(struct session_table *table, unsigned int slot, const char *name,
                            struct configuration *configuration)
{
        struct session *session = calloc(1, sizeof(*session));

        if (!session)
                return NULL;
        *session = (struct session){
                .table = table,
                .slot = slot,
                .name = strdup(name),
                .state = WIRE_SESSION_STARTING,
                .activated_ns = clock_realtime_ns(),
                .process = PROCESS_NULL,
                .control = PEER_NULL,
                .cgroup_fd = -1,
        };
        list_init(&session->link);
        if (!session->name)
                return session_free(session);
        session->configuration = *configuration;
        *configuration = (struct configuration){};
        return session;
}

struct session *session_free(struct session *session)
{
        if (!session)
                return NULL;
        list_remove(&session->link);
        timer_stop(&session->deadline);
        process_close(&session->process);
        extension_close(session);
        for (size_t i = 0; i < session->n_files; i++)
                watched_file_deinit(&session->files[i]);
        close_fd(session->cgroup_fd);
        configuration_deinit(&session->configuration);
        free(session->name);
        free(session->last_exit);
        free(session->message);
        free(session);
        return NULL;
}

/* The fail policy stands in flowd until the session is stopped or started again. */
static void session_fail(struct session *session, int error)
{
        timer_stop(&session->deadline);
        session->state = WIRE_SESSION_FAILED;
        /* Whoever asked for a first start is told by the answer. */
        log_line(session->ran ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "%s failed: %s", session->name,
                 session->message ?: strerror(-error));
        session_settled(session, error);
}

static int kill_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct session *session = userdata;

        log_warning("%s: the extension (pid %d) does not end and is killed", session->name,
                    session->process.pid);
        process_signal(&session->process, SIGKILL);
        return 0;
}

void session_end_extension(struct session *session)
{
        session->ending = true;
        extension_close(session);
        process_signal(&session->process, SIGTERM);
        session_arm(session, KILL_TIMEOUT_MS, kill_late);
}

void session_fault(struct session *session, int error, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list args;

        if (session->ending || !process_is_alive(&session->process))
                return;
        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        if (session->ran)
                log_error("%s: %s", session->name, text ?: strerror(-error));
        session->failure = error;
        free(session->message);
        session->message = take_ptr(text);
        session_end_extension(session);
}

static int hello_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct session *session = userdata;

        session_fault(session, -ETIMEDOUT,
                      "the extension did not say hello on its control channel within %u ms",
                      session->configuration.ready_timeout_ms);
        return 0;
}

void session_wait_for_hello(struct session *session)
{
        session_arm(session, session->configuration.ready_timeout_ms, hello_late);
}

static void session_restart(struct session *session);

static void session_run(struct session *session)
{
        _cleanup_free_ char *problem = NULL;
        int r;

        session->state = WIRE_SESSION_STARTING;
        session->ending = session->has_channel = false;
        session->failure = 0;
        r = extension_spawn(session, &problem);
        if (r >= 0) {
                session_wait_for_hello(session);
                session_changed(session);
                return;
        }
        free(session->message);
        session->message = take_ptr(problem);
        if (!session->ran) {
                session_fail(session, r);
                return;
        }
        log_error("%s: %s", session->name, session->message ?: strerror(-r));
        text_set(&session->last_exit, "could not be started");
        session_restart(session);
}

static void session_watch_files(struct session *session)
{
        struct configuration *configuration = &session->configuration;
        int r;

        for (size_t i = 0; i < configuration->n_files; i++) {
                r = watched_file_init(&session->files[i], session->table->event,
                                      &configuration->files[i], extension_file_changed, session);
                if (r < 0)
                        log_error("%s: %s cannot be watched for changes: %s", session->name,
                                  configuration->files[i].path, strerror(-r));
                session->n_files++;
        }
}

void session_start(struct session *session)
{
        session_watch_files(session);
        session_run(session);
}

static int restart_now(sd_event_source *source, uint64_t usec, void *userdata)
{
        session_run(userdata);
        return 0;
}

static void session_restart(struct session *session)
{
        uint64_t now_ms = clock_now_ms();
        unsigned int recent = restarts_recent(&session->restarts, now_ms);

        if (recent >= BUDGET) {
                text_set(&session->message,
                         "the extension ended %u times in 10 s, the last time: %s", recent + 1,
                         session->last_exit);
                session_fail(session, -ECHILD);
                return;
        }
        restarts_add(&session->restarts, now_ms);
        session->state = WIRE_SESSION_RESTARTING;
        session_arm(session, restarts_delay_ms(recent, 1), restart_now);
        session_changed(session);
}

static void session_remove(struct session *session);

static int remove_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        session_remove(userdata);
        return 0;
}

/* The last step of a stop: killed processes take a moment to leave their cgroup. */
static void session_remove(struct session *session)
{
        int r;

        r = extension_remove_cgroup(session);
        if (r == -EBUSY && session->n_removals++ < REMOVALS_MAX) {
                session_arm(session, REMOVE_RETRY_MS, remove_again);
                return;
        }
        if (r < 0)
                log_warning("%s: its cgroup stays: %s", session->name, strerror(-r));
        log_info("%s is stopped", session->name);
        list_remove(&session->link);
        session_changed(session);
        session->table->listener->gone(session, session->table->userdata);
        session_free(session);
}

static int stop_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        session_end_extension(userdata);
        return 0;
}

/* flowd has its provider stop and closes the flow channel; without a control channel as well,
 * nothing keeps an extension from ending by itself. */
static int let_end(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct session *session = userdata;

        extension_close(session);
        session_arm(session, STOP_TIMEOUT_MS, stop_late);
        return 0;
}

void session_stop(struct session *session)
{
        bool waits;

        if (session->stopping)
                return;
        session->stopping = true;
        session->state = WIRE_SESSION_STOPPED;
        session_changed(session);
        waits = session->announced &&
                engine_remove_session(session->table->engine, session->slot) >= 0;
        if (!process_is_alive(&session->process))
                session_remove(session);
        else if (session->ending)
                return; /* its end is on the way */
        else if (waits && session->has_channel)
                session_arm(session, STOP_FLOWS_MS, let_end);
        else
                session_end_extension(session);
}

void session_extension_ended(struct session *session, const char *how)
{
        timer_stop(&session->deadline);
        text_set(&session->last_exit, "%s", how);
        session->running_since_ns = 0;
        session->has_channel = session->ending = false;
        if (session->cgroup_fd >= 0)
                (void)cgroup_kill(session->cgroup_fd);
        if (session->stopping) {
                session_remove(session);
                return;
        }
        if (session->ran) {
                log_warning("%s: the extension is gone: %s", session->name, how);
                session_restart(session);
                return;
        }
        if (!session->failure)
                text_set(&session->message,
                         "the extension was gone before its provider ran: %s%s%s", how,
                         session->message ? "; it said: " : "", session->message ?: "");
        session_fail(session, session->failure ?: -ECHILD);
}

void session_resume(struct session *session)
{
        session_watch_files(session);
        if (session->state == WIRE_SESSION_FAILED)
                return;
        if (!process_is_alive(&session->process)) {
                session_extension_ended(session, "ended (started by an earlier netextd)");
                return;
        }
        session->has_channel = session->state == WIRE_SESSION_RUNNING;
        if (session->stopping)
                session_end_extension(session);
        else
                session_wait_for_hello(session);
}
