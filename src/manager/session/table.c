/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Sessions by name and slot, their total order, and the lobby: the socket where
 * extensions come back when their control channel ended, usually because netextd was
 * replaced. Everybody can reach the lobby; whoever is not a process that netextd started
 * is shown out before a byte is read.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/priv/cgroup.h"
#include "manager/priv/folder.h"
#include "manager/session/extension.h"
#include "manager/session/place.h"
#include "manager/session/table.h"

void session_table_init(struct session_table *table, sd_event *event, const char *instance,
                        const struct paths *paths, int cgroup_fd, struct engine *engine,
                        const struct session_listener *listener, void *userdata)
{
        *table = (struct session_table){
                .event = event,
                .instance = instance,
                .paths = paths,
                .engine = engine,
                .listener = listener,
                .userdata = userdata,
                .cgroup_fd = cgroup_fd,
                .lobby_fd = -1,
        };
        list_init(&table->sessions);
}

void session_table_deinit(struct session_table *table)
{
        struct session *session;

        while ((session = list_first(&table->sessions, struct session, link)))
                session_free(session);
        table->lobby = sd_event_source_disable_unref(table->lobby);
        table->lobby_fd = close_fd(table->lobby_fd);
        table->cgroup_fd = close_fd(table->cgroup_fd);
}

static struct session *find_process(struct session_table *table, pid_t pid)
{
        struct session *session;

        list_for_each (session, &table->sessions, link)
                if (session->process.pid == pid)
                        return session;
        return NULL;
}

static int lobby_dispatch(sd_event_source *source, int lobby_fd, uint32_t events, void *userdata)
{
        struct session_table *table = userdata;
        struct ucred peer = {};
        socklen_t size = sizeof(peer);
        struct session *session;
        _cleanup_fd_ int fd = -1;
        int r;

        fd = accept4(lobby_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0)
                return 0;
        session = find_process(table, peer.pid);
        if (!session || session->uid != peer.uid || session->ending || session->stopping) {
                log_debug("pid %d is not an extension of this instance: connection closed",
                          peer.pid);
                return 0;
        }
        r = extension_attach(session, take_fd(&fd));
        if (r < 0)
                log_error("%s: cannot take the extension back: %s", session->name, strerror(-r));
        return 0;
}

int session_table_listen(struct session_table *table)
{
        int r;

        table->lobby_fd = folder_listen(table->paths->extension_socket, SOCK_SEQPACKET, 0666);
        if (table->lobby_fd < 0)
                return table->lobby_fd;
        r = sd_event_add_io(table->event, &table->lobby, table->lobby_fd, EPOLLIN, lobby_dispatch,
                            table);
        if (r < 0)
                return r;
        /* Strangers can knock as often as they like: everything else is served first. */
        return sd_event_source_set_priority(table->lobby, SD_EVENT_PRIORITY_IDLE);
}

void session_table_sweep(struct session_table *table)
{
        for (unsigned int slot = 0; slot < SESSIONS_MAX; slot++) {
                char name[16];

                snprintf(name, sizeof(name), "session-%u", slot);
                if (!session_table_find_slot(table, slot))
                        (void)cgroup_remove(table->cgroup_fd, name);
        }
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
                session_stop(session);
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

int session_table_add(struct session_table *table, struct configuration *configuration,
                      struct session **ret_session, char **ret_problem)
{
        struct session *session;
        unsigned int slot = 0;
        int r;

        r = replace_failed(table, configuration, ret_problem);
        if (r < 0)
                return r;
        while (slot < SESSIONS_MAX && session_table_find_slot(table, slot))
                slot++;
        if (slot == SESSIONS_MAX)
                return text_problem(ret_problem, -ENOSPC,
                                    "%d sessions are there already; stop one first", SESSIONS_MAX);
        session = session_new(table, slot, choose_name(table, configuration), configuration);
        if (!session)
                return -ENOMEM;
        list_append(&table->sessions, &session->link);
        *ret_session = session;
        return 0;
}

void session_table_stop_all(struct session_table *table)
{
        struct session *session, *following;

        list_for_each_safe (session, following, &table->sessions, link)
                session_stop(session);
}

void session_table_engine_ready(struct session_table *table, bool adopted)
{
        struct session *session;

        /* An earlier netextd may have died while it added or removed one. */
        for (unsigned int slot = 0; adopted && slot < SESSIONS_MAX; slot++) {
                session = session_table_find_slot(table, slot);
                if (!session || !session->announced)
                        (void)engine_remove_session(table->engine, slot);
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
        _cleanup_free_ char *text = text_clean(wire_get_string(message, WIRE_ATTR_TEXT));

        if (session)
                session_engine_state(
                        session,
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
                session_stop(other);
        }
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        free(session->name);
        session->name = copy;
        return 0;
}
