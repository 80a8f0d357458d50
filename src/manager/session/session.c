/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The state machine. STARTING lasts until flowd reports that the provider runs; the extension
 * watches the part up to its process's hello, flowd the rest. What becomes of the process is
 * decided by the extension, and a session goes along:
 *
 *      STARTING → RUNNING ⇄ RESTARTING → FAILED        (over budget)
 *      STARTING → FAILED
 *      any → STOPPED: flowd has the provider stop; the session is freed, after its extension
 *      where that was made for it
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
#include "manager/session/table.h"

void session_changed(struct session *session)
{
        session->table->listener->changed(session->table->userdata);
}

void session_settled(struct session *session, int result)
{
        session_changed(session);
        session->table->listener->settled(session, result, session->table->userdata);
}

static const struct extension_client_ops client_ops;

struct session *session_new(struct session_table *table, unsigned int slot, const char *name,
                            struct configuration *configuration, struct extension *extension)
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
                .extension = extension,
                .client = { .ops = &client_ops, .slot = 1ULL << slot },
        };
        list_init(&session->link);
        list_init(&session->client.link);
        if (!session->name)
                return session_free(session);
        list_append(&extension->clients, &session->client.link);
        session->configuration = *configuration;
        *configuration = (struct configuration){};
        return session;
}

struct session *session_free(struct session *session)
{
        if (!session)
                return NULL;
        list_remove(&session->link);
        list_remove(&session->client.link);
        for (size_t i = 0; i < session->n_files; i++)
                watched_file_deinit(&session->files[i]);
        configuration_deinit(&session->configuration);
        free(session->name);
        free(session->message);
        free(session);
        return NULL;
}

static void session_watch_files(struct session *session)
{
        struct configuration *configuration = &session->configuration;
        int r;

        for (size_t i = 0; i < configuration->n_files; i++) {
                r = watched_file_init(&session->files[i], session->table->event,
                                      &configuration->files[i], session_file_changed, session);
                if (r < 0)
                        log_error("%s: %s cannot be watched for changes: %s", session->name,
                                  configuration->files[i].path, strerror(-r));
                session->n_files++;
        }
}

void session_start(struct session *session)
{
        struct extension *extension = session->extension;
        struct run *run = extension_incumbent(extension);

        session_watch_files(session);
        if (extension_is_of_session(extension))
                extension_start_soon(extension);
        else if (run && run->greeted)
                session_greeted(session, run);
        run = extension_find_run(extension, RUN_COMING);
        if (run && run->greeted)
                session_greeted(session, run);
}

void session_resume(struct session *session)
{
        struct run *run = extension_incumbent(session->extension);

        session_watch_files(session);
        session->has_channel = run && session->state == WIRE_SESSION_RUNNING;
        if (!run && session->state != WIRE_SESSION_FAILED)
                session->state = WIRE_SESSION_RESTARTING;
}

void session_fail(struct session *session, int error)
{
        session->state = WIRE_SESSION_FAILED;
        session_settled(session, error);
}

void session_fault(struct session *session, struct run *run, int error, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list args;

        if (run->ending || (run->role == RUN_COMING && session->state == WIRE_SESSION_FAILED))
                return;
        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        if (run->role == RUN_COMING || extension_is_of_session(session->extension)) {
                run_fault(run, error, "%s", text ?: strerror(-error));
                return;
        }
        text_set(&session->message, "%s", text ?: strerror(-error));
        log_error("%s failed: %s", session->name, session->message);
        session_fail(session, error);
}

/* --- its end ------------------------------------------------------------------------------ */

static void session_remove(struct session *session)
{
        log_info("%s is stopped", session->name);
        list_remove(&session->link);
        session_changed(session);
        session->table->listener->gone(session, session->table->userdata);
        session_free(session);
}

/* Nobody waits for it any more: neither a successor, nor who leaves. */
static void session_leave(struct session *session)
{
        struct extension *extension = session->extension;
        struct run *run, *following;

        list_remove(&session->client.link);
        list_for_each_safe (run, following, &extension->runs, link)
                if (run->role == RUN_LEAVING)
                        extension_drained(run, session->client.slot);
        session_remove(session);
        if (extension->lasting && list_is_empty(&extension->clients))
                extension_remove(extension);
        else
                extension_try_turn(extension);
}

static bool is_proxy(const struct session *session)
{
        int kind = session_get_kind(session);

        return kind == NX_PROVIDER_KIND_TRANSPARENT_PROXY || kind == NX_PROVIDER_KIND_APP_PROXY;
}

/* Whoever counts on a proxy shall not have to find out that there is none. */
static void tell_of_last_proxy(const struct session *session)
{
        const struct session *other;

        list_for_each (other, &session->table->sessions, link)
                if (other != session && !other->stopping && is_proxy(other))
                        return;
        log_warning("%s was the last proxy in the chain: all flows go direct from now on",
                    session->name);
}

void session_stop(struct session *session, enum nx_provider_stop_reason reason)
{
        if (session->stopping)
                return;
        session->stopping = true;
        session->state = WIRE_SESSION_STOPPED;
        session_changed(session);
        if (is_proxy(session) && reason != NX_PROVIDER_STOP_SHUTDOWN)
                tell_of_last_proxy(session);
        if (session->announced)
                (void)engine_remove_session(session->table->engine, session->slot, reason);
        if (extension_is_of_session(session->extension))
                extension_remove(session->extension);
        else
                session_leave(session);
}

/* --- what its extension does -------------------------------------------------------------- */

static struct session *session_of(struct extension_client *client)
{
        return container_of(client, struct session, client);
}

static void on_starting(struct extension_client *client)
{
        struct session *session = session_of(client);

        session->has_channel = false;
        session->state = WIRE_SESSION_STARTING;
}

static void on_greeted(struct extension_client *client, struct run *run)
{
        session_greeted(session_of(client), run);
}

static void on_reported(struct extension_client *client, const char *name, const char *text)
{
        struct session *session = session_of(client);

        if (!name || strcmp(name, session->name) == 0)
                text_set(&session->message, "%s", text);
}

static void on_ended(struct extension_client *client, struct run *run)
{
        struct session *session = session_of(client);

        if (run->role == RUN_COMING)
                session->has_successor = session->successor_runs = false;
        if (run->role != RUN_INCUMBENT)
                return;
        session->has_channel = false;
        session->running_since_ns = 0;
}

static void on_restarting(struct extension_client *client)
{
        session_of(client)->state = WIRE_SESSION_RESTARTING;
}

static void on_failed(struct extension_client *client, int error)
{
        struct session *session = session_of(client);

        if (session->extension->message)
                text_set(&session->message, "%s", session->extension->message);
        if (session->state != WIRE_SESSION_FAILED)
                session_fail(session, error);
}

/* One that does not run with the incumbent does not keep the others from a better one. */
static bool is_ready(struct extension_client *client)
{
        struct session *session = session_of(client);

        return session->successor_runs || session->stopping ||
               session->state == WIRE_SESSION_FAILED;
}

static void on_turned(struct extension_client *client, struct run *run)
{
        session_turned(session_of(client), run);
}

/* Where it was not stopped, flowd must not go on asking for somebody whom nobody lists. */
static void on_gone(struct extension_client *client)
{
        struct session *session = session_of(client);

        if (session->announced && !session->stopping)
                (void)engine_remove_session(session->table->engine, session->slot,
                                            NX_PROVIDER_STOP_CONFIGURATION_DISABLED);
        session_remove(session);
}

static const struct extension_client_ops client_ops = {
        .starting = on_starting,
        .greeted = on_greeted,
        .reported = on_reported,
        .ended = on_ended,
        .restarting = on_restarting,
        .failed = on_failed,
        .is_ready = is_ready,
        .turned = on_turned,
        .gone = on_gone,
};
