/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Extensions by identifier and number, and the lobby: the socket where extensions come back when
 * their control channel ended, usually because netextd was replaced. Everybody can reach the
 * lobby; whoever is not a process that netextd started is shown out before a byte is read.
 */

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "manager/extension/parts.h"
#include "manager/priv/folder.h"

void extension_table_init(struct extension_table *table, sd_event *event, const char *instance,
                          const struct paths *paths, struct engine *engine, int cgroup_fd)
{
        *table = (struct extension_table){
                .event = event,
                .instance = instance,
                .paths = paths,
                .engine = engine,
                .cgroup_fd = cgroup_fd,
                .lobby_fd = -1,
        };
        list_init(&table->extensions);
        list_init(&table->watches);
}

void extension_table_guard(struct extension_table *table, extension_vouch_fn *vouch_fn,
                           void *userdata)
{
        table->vouch_fn = vouch_fn;
        table->vouch_userdata = userdata;
}

void extension_table_drop_all(struct extension_table *table)
{
        struct extension *extension;

        while ((extension = list_first(&table->extensions, struct extension, link)))
                extension_free(extension);
}

void extension_table_deinit(struct extension_table *table)
{
        extension_table_drop_all(table);
        table->lobby = sd_event_source_disable_unref(table->lobby);
        table->lobby_fd = close_fd(table->lobby_fd);
        table->cgroup_fd = close_fd(table->cgroup_fd);
}

void extension_table_watch(struct extension_table *table, struct extension_watch *watch,
                           const struct extension_listener *listener, void *userdata)
{
        *watch = (struct extension_watch){ .listener = listener, .userdata = userdata };
        list_append(&table->watches, &watch->link);
}

void extension_watch_end(struct extension_watch *watch)
{
        if (watch->link.next)
                list_remove(&watch->link);
}

/* --- the lobby ---------------------------------------------------------------------------- */

static struct run *find_process(struct extension_table *table, pid_t pid)
{
        struct extension *extension;
        struct run *run;

        list_for_each (extension, &table->extensions, link)
                list_for_each (run, &extension->runs, link)
                        if (run->process.pid == pid)
                                return run;
        return NULL;
}

static int lobby_dispatch(sd_event_source *source, int lobby_fd, uint32_t events, void *userdata)
{
        struct extension_table *table = userdata;
        struct ucred peer = {};
        socklen_t size = sizeof(peer);
        _cleanup_fd_ int fd = -1;
        struct run *run;
        int r;

        fd = accept4(lobby_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0)
                return 0;
        run = find_process(table, peer.pid);
        if (!run || run->extension->uid != peer.uid || run->ending || run->extension->removing) {
                log_debug("pid %d is not an extension of this instance: connection closed",
                          peer.pid);
                return 0;
        }
        r = run_attach(run, take_fd(&fd));
        if (r < 0)
                log_error("%s: cannot take the extension back: %s", run->extension->name,
                          strerror(-r));
        return 0;
}

int extension_table_listen(struct extension_table *table)
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

/* --- all of them -------------------------------------------------------------------------- */

struct extension *extension_table_find_number(struct extension_table *table, unsigned int number)
{
        struct extension *extension;

        list_for_each (extension, &table->extensions, link)
                if (extension->number == number)
                        return extension;
        return NULL;
}

struct extension *extension_table_find(struct extension_table *table, const char *identifier)
{
        struct extension *extension;

        list_for_each (extension, &table->extensions, link)
                if (!extension_is_of_session(extension) && !extension->removing &&
                    strcmp(extension->spec.identifier, identifier) == 0)
                        return extension;
        return NULL;
}

struct extension *extension_table_next(struct extension_table *table, const char *identifier,
                                       const struct extension *previous)
{
        struct extension *extension;

        list_for_each (extension, &table->extensions, link)
                if (extension == previous)
                        previous = NULL;
                else if (!previous && !extension_is_anonymous(extension) &&
                         strcmp(extension->spec.identifier, identifier) == 0)
                        return extension;
        return NULL;
}

void extension_table_sweep(struct extension_table *table)
{
        for (unsigned int number = 0; number < EXTENSIONS_MAX; number++)
                if (!extension_table_find_number(table, number))
                        (void)extension_table_remove_cgroup(table, number);
}

void extension_table_engine_ready(struct extension_table *table)
{
        struct extension *extension;

        list_for_each (extension, &table->extensions, link)
                extension_tell_turn(extension);
}

void extension_table_resume(struct extension_table *table)
{
        struct extension *extension, *following;

        list_for_each_safe (extension, following, &table->extensions, link)
                extension_resume(extension);
}

void extension_table_remove_all(struct extension_table *table)
{
        struct extension *extension, *following;

        list_for_each_safe (extension, following, &table->extensions, link)
                extension_remove(extension);
}

const char *extension_table_team_of(struct extension_table *table, uid_t uid)
{
        struct extension *extension;

        list_for_each (extension, &table->extensions, link)
                if (extension_get_pid(extension) > 0 && extension_get_uid(extension) == uid)
                        return extension->spec.team;
        return NULL;
}

bool extension_table_uses(const struct extension_table *table, const char *identifier,
                          const char *digest)
{
        struct extension *extension;
        struct run *run;

        list_for_each (extension, &table->extensions, link) {
                if (extension_is_anonymous(extension) ||
                    strcmp(extension->spec.identifier, identifier) != 0)
                        continue;
                list_for_each (run, &extension->runs, link)
                        if (run->digest && strcmp(run->digest, digest) == 0)
                                return true;
        }
        return false;
}
