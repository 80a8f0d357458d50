/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextd has looked at who connects before we hear of it; what is left to us is to say welcome.
 * An app that takes events gives credit for them, which it does as it handles them: so one that
 * is slow is behind in its own queue here, and nobody else is. Without any app, events wait for
 * the first that comes.
 *
 * A connection that ended is freed after the round, when nothing on the stack works with it.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>

#include "sdk/check.h"
#include "sdk/endpoint-connection.h"
#include "sdk/endpoint.h"
#include "sdk/provider.h"
#include "sdk/public.h"

#define CONNECTIONS_PER_USER 256
#define CREDIT_MAX           (1U << 20)
#define WANTED_INTERVAL_NS   1000000000ULL

#ifndef SO_PEERPIDFD /* Linux 6.5 */
#define SO_PEERPIDFD 77
#endif

struct served {
        struct nx_connection connection;
        struct nx_endpoint *endpoint;
        struct list list; /* nx_endpoint.connections, or endpoints.ended */
        struct nx_peer peer;
        uint64_t started_ticks;
        bool takes_events;
        bool said_goodbye; /* it asks nothing more: it has gone to the next process */
        uint32_t credit;
        struct event_queue events;
};

static struct served *served_of(const struct nx_connection *connection)
{
        return container_of((struct nx_connection *)connection, struct served, connection);
}

static void tell_daemon(struct endpoints *endpoints, enum wire_message_type type, const char *name)
{
        struct nx_provider *provider = endpoints->provider;
        struct channel *channel = &provider->control.manager.channel;

        if (!peer_is_open(&provider->control.manager))
                return;
        wire_put_string(channel_begin(channel, type, 0), WIRE_ATTR_NAME, name);
        (void)channel_end(channel);
        provider_flush_soon(provider);
}

/* --- events --------------------------------------------------------------------------------- */

static bool has_listener(const struct nx_endpoint *endpoint)
{
        struct served *served;

        list_for_each (served, &endpoint->connections, list)
                if (served->takes_events)
                        return true;
        return false;
}

/* Now and then: netextd may not have been there, or what it started has failed. */
static void tell_nobody_is_there(struct nx_endpoint *endpoint)
{
        uint64_t now = now_ns();

        if (endpoint->wanted_ns && now - endpoint->wanted_ns < WANTED_INTERVAL_NS)
                return;
        endpoint->wanted_ns = now;
        tell_daemon(endpoint->endpoints, NX_MSG_MANAGER_ENDPOINT_WANTS_PEER, endpoint->table->name);
}

static int send_event(struct served *served, uint64_t number, const void *bytes, size_t size)
{
        struct frame frame = { .type = FRAME_EVENT, .id = number, .payload = bytes, .size = size };
        int r;

        if (served->credit == 0)
                return -EAGAIN;
        frame.value = (int32_t)served->events.n_dropped;
        r = link_try_send(served->connection.link, &frame);
        if (r >= 0)
                served->credit--;
        return r;
}

/* Where the last who was behind has caught up, that is told. */
static void look_who_is_behind(struct nx_endpoint *endpoint)
{
        struct served *served;

        if (!endpoint->is_behind || event_queue_peek(&endpoint->absent))
                return;
        list_for_each (served, &endpoint->connections, list)
                if (event_queue_peek(&served->events))
                        return;
        endpoint->is_behind = false;
        if (endpoint->table->handle_caught_up)
                endpoint->table->handle_caught_up(endpoint,
                                                  endpoint->endpoints->provider->userdata);
}

static void send_waiting_events(struct served *served)
{
        struct event *event;

        while ((event = event_queue_peek(&served->events)) &&
               send_event(served, event->number, event->bytes, event->size) >= 0)
                event_queue_pop(&served->events);
        look_who_is_behind(served->endpoint);
}

/* *event is made by the first who has to wait for it. */
static int post_to_queue(struct event_queue *queue, struct event **event,
                         struct nx_endpoint *endpoint, const void *bytes, size_t size)
{
        unsigned int n_dropped;

        if (!*event)
                *event = event_new(endpoint->last_event, bytes, size);
        if (!*event)
                return -ENOMEM;
        n_dropped = event_queue_put(queue, *event);
        endpoint->n_dropped += n_dropped;
        return n_dropped > 0 ? NX_POST_DROPPED : NX_POST_KEPT;
}

static int post_to(struct served *served, struct event **event, const void *bytes, size_t size)
{
        struct nx_endpoint *endpoint = served->endpoint;

        if (!event_queue_peek(&served->events) &&
            send_event(served, endpoint->last_event, bytes, size) >= 0) {
                served->events.n_dropped = 0;
                return 0;
        }
        return post_to_queue(&served->events, event, endpoint, bytes, size);
}

_public_ int nx_endpoint_post(struct nx_endpoint *endpoint, const void *bytes, size_t size)
{
        struct event *event = NULL;
        struct served *served;
        int r = 0;

        if (size > NX_MESSAGE_SIZE_MAX)
                return -EMSGSIZE;
        endpoint->last_event++;
        list_for_each (served, &endpoint->connections, list) {
                int posted = served->takes_events ? post_to(served, &event, bytes, size) : 0;

                r = r < 0 || posted < 0 ? -ENOMEM : posted > r ? posted : r;
        }
        if (!has_listener(endpoint)) {
                r = post_to_queue(&endpoint->absent, &event, endpoint, bytes, size);
                tell_nobody_is_there(endpoint);
        }
        event_unref(event);
        if (r > 0)
                endpoint->is_behind = true;
        return r;
}

static void give_credit(struct served *served, uint32_t credit)
{
        struct nx_endpoint *endpoint = served->endpoint;

        if (!served->takes_events) {
                served->takes_events = true;
                event_queue_move(&served->events, &endpoint->absent);
                endpoint->wanted_ns = 0;
        }
        served->credit =
                credit > CREDIT_MAX - served->credit ? CREDIT_MAX : served->credit + credit;
        send_waiting_events(served);
}

/* What the last that took events did not get waits for the next. */
static void keep_events_for_next(struct served *served)
{
        struct nx_endpoint *endpoint = served->endpoint;

        if (has_listener(endpoint) || !event_queue_peek(&served->events))
                return;
        event_queue_move(&endpoint->absent, &served->events);
        tell_nobody_is_there(endpoint);
}

/* --- connections ---------------------------------------------------------------------------- */

static int served_frame(struct nx_connection *connection, struct link *link, struct frame *frame,
                        const char **ret_problem)
{
        if (frame->type == FRAME_CREDIT) {
                give_credit(served_of(connection), (uint32_t)frame->value);
                return 0;
        }
        if (frame->type == FRAME_GOODBYE &&
            served_of(connection)->endpoint->endpoints->is_leaving) {
                served_of(connection)->said_goodbye = true;
                return 0;
        }
        *ret_problem = "an app sent a frame that has no place here";
        return -EBADMSG;
}

/* From here on it takes nothing, whoever still has it. */
static void served_end(struct served *served)
{
        struct endpoints *endpoints = served->endpoint->endpoints;

        list_remove(&served->list);
        list_append(&endpoints->ended, &served->list);
        if (served->takes_events)
                keep_events_for_next(served);
        look_who_is_behind(served->endpoint);
}

static void served_link_ended(struct nx_connection *connection, struct link *link, int error,
                              const char *problem)
{
        served_end(served_of(connection));
        connection_end(connection, error, "%s", error == -EPIPE ? "the app ended it" : problem);
}

static void served_drained(struct nx_connection *connection, struct link *link)
{
        send_waiting_events(served_of(connection));
}

static void served_close(struct nx_connection *connection)
{
        served_end(served_of(connection));
}

static void served_free(struct nx_connection *connection)
{
        struct served *served = served_of(connection);

        list_remove(&served->list);
        event_queue_deinit(&served->events);
        connection_deinit(connection);
        free((char *)served->peer.program);
        free((char *)served->peer.cgroup);
        free(served);
}

static const struct connection_role served_role = {
        .frame = served_frame,
        .link_ended = served_link_ended,
        .drained = served_drained,
        .close = served_close,
        .free = served_free,
};

static int served_new(struct served **ret, struct nx_endpoint *endpoint,
                      const struct wire_message *message)
{
        struct nx_provider *provider = endpoint->endpoints->provider;
        struct served *served = calloc(1, sizeof(*served));

        if (!served)
                return -ENOMEM;
        served->endpoint = endpoint;
        list_init(&served->list);
        served->peer = (struct nx_peer){
                .pid = (uint32_t)wire_get(message, WIRE_ATTR_PID),
                .uid = (uint32_t)wire_get(message, WIRE_ATTR_UID),
                .gid = (uint32_t)wire_get(message, WIRE_ATTR_GID),
                .program = strdup(wire_get_string(message, WIRE_ATTR_PROGRAM)),
                .cgroup = strdup(wire_get_string(message, WIRE_ATTR_CGROUP)),
        };
        served->started_ticks = wire_get(message, WIRE_ATTR_STARTED_TICKS);
        if (connection_init(&served->connection, &served_role, &provider->loop) < 0 ||
            !served->peer.program || !served->peer.cgroup) {
                served_free(&served->connection);
                return -ENOMEM;
        }
        served->connection.handle_message = endpoint->table->handle_message;
        served->connection.handle_closed = endpoint->table->handle_closed;
        served->connection.userdata = provider->userdata;
        *ret = served;
        return 0;
}

_printf_(3, 4) static void refuse(int socket_fd, int error, const char *format, ...)
{
        struct frame frame = { .type = FRAME_REFUSED, .value = error };
        char why[256];
        va_list args;

        va_start(args, format);
        vsnprintf(why, sizeof(why), format, args);
        va_end(args);
        frame.payload = why;
        frame.size = strlen(why);
        (void)frame_send(socket_fd, &frame);
}

static unsigned int count_of_user(const struct endpoints *endpoints, uint32_t uid)
{
        unsigned int n = 0;
        struct served *served;

        for (size_t i = 0; i < endpoints->n_items; i++)
                list_for_each (served, &endpoints->items[i].connections, list)
                        n += served->peer.uid == uid;
        return n;
}

static bool is_within_quota(struct endpoints *endpoints, uint32_t uid, int socket_fd)
{
        char why[160];

        if (count_of_user(endpoints, uid) < CONNECTIONS_PER_USER)
                return true;
        snprintf(why, sizeof(why),
                 "The user %u has %d connections to this extension, as many as a user may have",
                 uid, CONNECTIONS_PER_USER);
        refuse(socket_fd, -EDQUOT, "%s", why);
        control_report(&endpoints->provider->control, NX_LEVEL_WARNING, NULL, why);
        return false;
}

/* Nothing that the extension sends meanwhile goes before the welcome. */
static int welcome(struct served *served)
{
        struct nx_connection *connection = &served->connection;
        const struct nx_endpoint_provider *table = served->endpoint->table;
        struct frame frame = { .type = FRAME_WELCOME, .value = FRAME_VERSION };
        int r = 0;

        connection->link->is_held = true;
        if (table->handle_connect)
                r = table->handle_connect(connection, connection->userdata);
        if (!link_is_open(connection->link))
                return 0;
        if (r < 0) {
                refuse(connection->link->io.fd, r >= -4095 ? r : -EACCES,
                       "The extension does not take this connection: %s", strerror(-r));
                connection->handle_closed = NULL;
                nx_connection_close(connection);
                return 0;
        }
        (void)frame_send(connection->link->io.fd, &frame);
        link_release(connection->link);
        return 0;
}

static struct nx_endpoint *find_endpoint(struct endpoints *endpoints, const char *name)
{
        for (size_t i = 0; i < endpoints->n_items; i++)
                if (strcmp(endpoints->items[i].table->name, name) == 0)
                        return &endpoints->items[i];
        return NULL;
}

int endpoints_handle_peer(struct endpoints *endpoints, const struct wire_message *message, int *fd)
{
        const char *name = wire_get_string(message, WIRE_ATTR_NAME);
        struct nx_endpoint *endpoint = find_endpoint(endpoints, name);
        struct served *served;
        int r;

        tell_daemon(endpoints, NX_MSG_MANAGER_ENDPOINT_TAKEN, name);
        if (endpoints->is_leaving)
                return 0; /* it connects again, and meets the other process */
        if (!endpoint) {
                refuse(*fd, -EOPNOTSUPP,
                       "The extension's manifest declares the endpoint \"%s\", but its program "
                       "does "
                       "not serve it",
                       name);
                return 0;
        }
        if (!is_within_quota(endpoints, (uint32_t)wire_get(message, WIRE_ATTR_UID), *fd))
                return 0;
        r = served_new(&served, endpoint, message);
        if (r < 0)
                return r;
        list_append(&endpoint->connections, &served->list);
        r = link_open(served->connection.link, take_fd(fd));
        if (r < 0) {
                served_free(&served->connection);
                return 0; /* as if it had died on the way: it connects again */
        }
        return welcome(served);
}

/* --- all of them ---------------------------------------------------------------------------- */

static int endpoints_begin(void *userdata)
{
        struct endpoints *endpoints = userdata;

        for (size_t i = 0; i < endpoints->n_items; i++) {
                struct nx_endpoint *endpoint = &endpoints->items[i];

                if (endpoint->table->handle_ready)
                        endpoint->table->handle_ready(endpoint, endpoints->provider->userdata);
        }
        return 0;
}

int endpoints_init(struct endpoints *endpoints, struct nx_provider *provider)
{
        const struct nx_extension *extension = &provider->extension;

        *endpoints = (struct endpoints){ .provider = provider };
        list_init(&endpoints->ended);
        loop_timer_init(&endpoints->begin, endpoints_begin, endpoints);
        if (extension->n_endpoints == 0)
                return 0;
        if (!extension->endpoints)
                return -EINVAL;
        endpoints->items = calloc(extension->n_endpoints, sizeof(*endpoints->items));
        if (!endpoints->items)
                return -ENOMEM;
        for (size_t i = 0; i < extension->n_endpoints; i++) {
                const char *name = extension->endpoints[i].name;

                if (!name || !*name || find_endpoint(endpoints, name))
                        return -EINVAL;
                endpoints->items[i].table = &extension->endpoints[i];
                endpoints->items[i].endpoints = endpoints;
                list_init(&endpoints->items[i].connections);
                endpoints->n_items++;
        }
        loop_timer_start(&provider->loop, &endpoints->begin, now_ns());
        loop_arm(&provider->loop);
        return 0;
}

void endpoints_leave(struct endpoints *endpoints)
{
        struct frame goodbye = { .type = FRAME_GOODBYE };
        struct served *served;

        if (endpoints->is_leaving)
                return;
        endpoints->is_leaving = true;
        for (size_t i = 0; i < endpoints->n_items; i++)
                list_for_each (served, &endpoints->items[i].connections, list)
                        (void)link_send_anyway(served->connection.link, &goodbye);
}

/* What it asked is answered, and what it may get has been sent. */
static bool is_over(const struct served *served)
{
        const struct link *link = served->connection.link;

        return served->said_goodbye && list_is_empty(&link->owed) && list_is_empty(&link->asked) &&
               !link_has_waiting(link) && !event_queue_peek(&served->events);
}

static bool are_all_over(const struct endpoints *endpoints)
{
        const struct served *served;

        for (size_t i = 0; i < endpoints->n_items; i++)
                list_for_each (served, &endpoints->items[i].connections, list)
                        if (!is_over(served))
                                return false;
        return true;
}

void endpoints_sweep(struct endpoints *endpoints)
{
        struct served *served;

        while ((served = list_first(&endpoints->ended, struct served, list))) {
                list_remove(&served->list);
                connection_unref(&served->connection);
        }
        if (endpoints->is_leaving && !endpoints->has_left && are_all_over(endpoints)) {
                endpoints->has_left = true;
                tell_daemon(endpoints, NX_MSG_MANAGER_ENDPOINTS_LEFT, NULL);
        }
}

void endpoints_meet_daemon(struct endpoints *endpoints)
{
        endpoints->has_left = false;
}

void endpoints_deinit(struct endpoints *endpoints)
{
        struct served *served;

        if (!endpoints->provider)
                return;
        loop_timer_stop(&endpoints->begin);
        for (size_t i = 0; i < endpoints->n_items; i++) {
                struct nx_endpoint *endpoint = &endpoints->items[i];

                while ((served = list_first(&endpoint->connections, struct served, list))) {
                        served->takes_events = false; /* no next one will come */
                        served_end(served);
                        connection_end(&served->connection, -ESHUTDOWN, "the extension ends");
                }
        }
        endpoints_sweep(endpoints);
        for (size_t i = 0; i < endpoints->n_items; i++)
                event_queue_deinit(&endpoints->items[i].absent);
        endpoints->n_items = 0;
        free(take_ptr(endpoints->items));
}

/* --- what an extension asks ----------------------------------------------------------------- */

_public_ uint64_t nx_endpoint_get_dropped(const struct nx_endpoint *endpoint)
{
        return endpoint->n_dropped;
}

_public_ const char *nx_endpoint_get_name(const struct nx_endpoint *endpoint)
{
        return endpoint->table->name;
}

_public_ struct nx_endpoint *nx_connection_get_endpoint(const struct nx_connection *connection)
{
        return connection->role == &served_role ? served_of(connection)->endpoint : NULL;
}

_public_ const struct nx_peer *nx_connection_get_peer(const struct nx_connection *connection)
{
        return connection->role == &served_role ? &served_of(connection)->peer : NULL;
}

/* Field 22 of /proc/PID/stat; the second, in parentheses, may contain anything. */
static uint64_t read_started_ticks(uint32_t pid)
{
        _cleanup_file_ FILE *file = NULL;
        char path[32], line[1024];
        const char *at = NULL;

        snprintf(path, sizeof(path), "/proc/%u/stat", pid);
        file = fopen(path, "re");
        if (file && fgets(line, sizeof(line), file))
                at = strrchr(line, ')');
        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        return at ? strtoull(at, NULL, 10) : 0;
}

_public_ int nx_connection_open_peer(const struct nx_connection *connection)
{
        const struct served *served = served_of(connection);
        _cleanup_fd_ int fd = -1;
        socklen_t size = sizeof(fd);

        if (connection->role != &served_role)
                return -EINVAL;
        if (!link_is_open(connection->link) || served->peer.pid == 0)
                return -ESRCH;
        if (getsockopt(connection->link->io.fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0)
                return take_fd(&fd);
        fd = -1;
        if (errno != ENOPROTOOPT)
                return errno == EINVAL ? -ESRCH : -errno;
        fd = pidfd_open((pid_t)served->peer.pid, 0);
        if (fd < 0)
                return -errno;
        /* Read after the pidfd is held: if that one still lives, it is the one we read about. */
        if (read_started_ticks(served->peer.pid) != served->started_ticks)
                return -ESRCH;
        return take_fd(&fd);
}
