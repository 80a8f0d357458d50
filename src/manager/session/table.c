/* SPDX-License-Identifier: Apache-2.0 */

/* Sessions by name and slot, and their total order. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/session/place.h"
#include "manager/session/table.h"

void session_table_init(struct session_table *table, sd_event *event,
                        struct extension_table *extensions, struct engine *engine,
                        const struct session_listener *listener, void *userdata)
{
        *table = (struct session_table){
                .event = event,
                .extensions = extensions,
                .engine = engine,
                .listener = listener,
                .userdata = userdata,
        };
        list_init(&table->sessions);
}

void session_table_deinit(struct session_table *table)
{
        struct session *session;

        while ((session = list_first(&table->sessions, struct session, link)))
                session_free(session);
}

/* A session on its way out does not stand in the way of one on its way in. */
struct session *session_table_find(struct session_table *table, const char *name)
{
        struct session *session, *leaving = NULL;

        list_for_each (session, &table->sessions, link) {
                if (strcmp(session->name, name) != 0)
                        continue;
                if (!session->stopping)
                        return session;
                leaving = session;
        }
        return leaving;
}

struct session *session_table_find_slot(struct session_table *table, unsigned int slot)
{
        struct session *session;

        list_for_each (session, &table->sessions, link)
                if (session->slot == slot)
                        return session;
        return NULL;
}

/* Of the sessions that are named after their extension, an extension has one. */
static bool is_same(const struct session *session, const struct configuration *configuration)
{
        const char *name = configuration->name ?: configuration->identifier;

        if (name)
                return strcmp(session->name, name) == 0;
        return !session->configuration.name &&
               strcmp(session->configuration.extension, configuration->extension) == 0;
}

/* 0, or -EEXIST: the session is there and in use. A failed one makes room for the new. */
static int replace_failed(struct session_table *table, const struct configuration *configuration,
                          char **ret_problem)
{
        struct session *session, *following;

        list_for_each_safe (session, following, &table->sessions, link) {
                if (session->stopping || !is_same(session, configuration))
                        continue;
                if (session->state != WIRE_SESSION_FAILED)
                        return text_problem(
                                ret_problem, -EEXIST,
                                "session %s is %s already; another one needs another --name",
                                session->name,
                                wire_name_to_string(wire_session_states, session->state));
                session_stop(session, NX_PROVIDER_STOP_USER_INITIATED);
        }
        return 0;
}

/* Names are unique. Until the extension told its identifier, its file's name stands in for it;
 * where a session has that already, the whole path does, which no session can be called. */
static const char *choose_name(struct session_table *table,
                               const struct configuration *configuration)
{
        const char *path = configuration->extension, *guess = strrchr(path, '/') + 1;
        const struct session *other;

        if (configuration->name || configuration->identifier)
                return configuration->name ?: configuration->identifier;
        other = session_table_find(table, guess);
        return other && !other->stopping ? path : guess;
}

static int make_extension(struct session_table *table, const struct configuration *configuration,
                          const char *name, struct extension **ret, char **ret_problem)
{
        const struct extension_spec spec = {
                .executable = configuration->extension,
                .capabilities = ~0U,
        };
        int r;

        if (!configuration_is_installed(configuration))
                return extension_new(table->extensions, name, &spec, ret);
        r = table->listener->make_extension(configuration, name, ret, ret_problem, table->userdata);
        if (r == -ESRCH)
                return text_problem(ret_problem, r,
                                    "extension: %s is installed, but nothing runs of it; see "
                                    "netextctl extension why %s",
                                    configuration->identifier, configuration->identifier);
        return r;
}

/* The installed extension that is meant, or one made for the session alone. */
static int get_extension(struct session_table *table, const struct configuration *configuration,
                         const char *name, struct extension **ret, char **ret_problem)
{
        int r;

        if (configuration->identifier) {
                *ret = extension_table_find(table->extensions, configuration->identifier);
                if (*ret)
                        return 0;
        }
        r = make_extension(table, configuration, name, ret, ret_problem);
        if (r >= 0)
                (*ret)->hello_timeout_ms = configuration->ready_timeout_ms;
        return r;
}

int session_table_restore(struct session_table *table, struct configuration *configuration,
                          struct extension *extension, const char *name, unsigned int slot,
                          struct session **ret_session)
{
        struct session *session;

        session = session_new(table, slot, name, configuration, extension);
        if (!session)
                return -ENOMEM;
        list_append(&table->sessions, &session->link);
        *ret_session = session;
        return 0;
}

int session_table_add(struct session_table *table, struct configuration *configuration,
                      struct session **ret_session, char **ret_problem)
{
        struct extension *extension;
        unsigned int slot = 0;
        const char *name;
        int r;

        r = replace_failed(table, configuration, ret_problem);
        if (r < 0)
                return r;
        while (slot < SESSIONS_MAX && session_table_find_slot(table, slot))
                slot++;
        if (slot == SESSIONS_MAX)
                return text_problem(ret_problem, -ENOSPC,
                                    "%d sessions are there already; stop one first", SESSIONS_MAX);
        name = choose_name(table, configuration);
        r = get_extension(table, configuration, name, &extension, ret_problem);
        if (r < 0)
                return r;
        r = session_table_restore(table, configuration, extension, name, slot, ret_session);
        if (r < 0 && extension_is_of_session(extension))
                extension_free(extension);
        return r;
}

void session_table_resume(struct session_table *table)
{
        struct session *session;

        list_for_each (session, &table->sessions, link)
                session_resume(session);
}

void session_table_stop_all(struct session_table *table, const struct extension *extension,
                            enum nx_provider_stop_reason reason)
{
        struct session *session, *following;

        list_for_each_safe (session, following, &table->sessions, link)
                if (!extension || session->extension == extension)
                        session_stop(session, reason);
}

void session_table_engine_ready(struct session_table *table, bool adopted)
{
        struct session *session;

        /* An earlier netextd may have died while it added or removed one. */
        for (unsigned int slot = 0; adopted && slot < SESSIONS_MAX; slot++) {
                session = session_table_find_slot(table, slot);
                if (!session || !session->announced)
                        (void)engine_remove_session(table->engine, slot,
                                                    NX_PROVIDER_STOP_USER_INITIATED);
        }
        list_for_each (session, &table->sessions, link)
                session_engine_ready(session, adopted);
}

void session_table_engine_died(struct session_table *table)
{
        struct session *session;

        list_for_each (session, &table->sessions, link)
                session_engine_died(session);
        table->listener->changed(table->userdata);
}

void session_table_engine_state(struct session_table *table, const struct wire_message *message)
{
        unsigned int slot = (unsigned int)wire_get(message, WIRE_ATTR_SESSION);
        struct session *session = session_table_find_slot(table, slot);
        uint32_t run = (uint32_t)wire_get(message, WIRE_ATTR_RUN);
        _cleanup_free_ char *text = text_clean(wire_get_string(message, WIRE_ATTR_TEXT));

        if (session && message->type == NX_MSG_MANAGER_SESSION_DRAINED)
                session_engine_drained(session, run);
        else if (session)
                session_engine_state(
                        session, run,
                        (enum wire_session_state)wire_get(message, WIRE_ATTR_SESSION_STATE),
                        wire_get_i32(message, WIRE_ATTR_RESULT), text);
}

static int compare_places(const void *left, const void *right)
{
        return place_compare(*(struct session *const *)left, *(struct session *const *)right);
}

size_t session_table_get_chain(struct session_table *table, struct session *ret[SESSIONS_MAX])
{
        struct session *session;
        size_t n = 0;

        list_for_each (session, &table->sessions, link)
                if (session->announced && !session->stopping)
                        ret[n++] = session;
        qsort(ret, n, sizeof(*ret), compare_places);
        return n;
}

int session_table_rename(struct session_table *table, struct session *session, const char *name)
{
        struct session *other, *following;
        char *copy;

        list_for_each_safe (other, following, &table->sessions, link) {
                if (other == session || other->stopping || strcmp(other->name, name) != 0)
                        continue;
                if (other->state != WIRE_SESSION_FAILED)
                        return -EEXIST;
                session_stop(other, NX_PROVIDER_STOP_USER_INITIATED);
        }
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        free(session->name);
        session->name = copy;
        return extension_is_of_session(session->extension)
                       ? extension_set_name(session->extension, name)
                       : 0;
}
