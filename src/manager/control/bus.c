/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Connections. Who the peer is comes from the kernel and is found out before a byte is
 * read. At CLIENTS_MAX of root no more are accepted: the next ones wait in the socket's queue
 * until one leaves. Other users have places of their own, and who wants more than that is
 * turned away: nobody takes root's. A client that watches flows but does not read loses events,
 * not us memory, and is told how many when it reads again; one that asks and does not read its
 * answers is let go, unless it is root's.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "manager/control/answer.h"
#include "manager/control/call.h"
#include "manager/control/control.h"
#include "manager/control/permission.h"
#include "manager/control/questions.h"
#include "manager/control/record.h"
#include "manager/control/requests.h"
#include "manager/priv/folder.h"

#define CLIENTS_MAX       64 /* of root */
#define CLIENTS_PER_USER  8
#define CLIENTS_OF_OTHERS 128
#define EVENTS_QUEUED_MAX 4096
#define UNREAD_MAX        4 /* answers to another than root, which can be long */

/* Where accept() fails for want of descriptors, the socket stays readable: no endless round. */
#define ACCEPTS_MAX         64
#define ACCEPTS_INTERVAL_US 100000

uint64_t client_get_queued(const struct client *client)
{
        uint64_t queued = 0;

        (void)sd_bus_get_n_queued_write(client->bus, &queued);
        return queued;
}

static void control_watch_for_clients(struct control *control)
{
        struct client *client;
        bool watched = false;

        list_for_each (client, &control->clients, link)
                watched |= client->watching;
        engine_watch_flows(control->engine, watched);
}

void client_watch(struct client *client, bool enable)
{
        client->watching = enable;
        client->n_missed = 0;
        control_watch_for_clients(client->control);
}

bool client_may_see_flow(const struct client *client, const struct wire_message *flow)
{
        uid_t uid = client->caller.uid;

        return client_is_root(client) ||
               (wire_has(flow, WIRE_ATTR_UID) && wire_get(flow, WIRE_ATTR_UID) == uid) ||
               (wire_has(flow, WIRE_ATTR_ORIGIN_UID) &&
                wire_get(flow, WIRE_ATTR_ORIGIN_UID) == uid);
}

static struct client *client_free(struct client *client)
{
        if (!client)
                return NULL;
        list_remove(&client->link);
        if (client->watching)
                control_watch_for_clients(client->control);
        permissions_withdraw(client);
        questions_detach_client(client);
        answers_orphan(client);
        requests_unfollow(client);
        if (client_is_root(client)) {
                client->control->n_root_clients--;
                (void)sd_event_source_set_enabled(client->control->source, SD_EVENT_ON);
        }
        sd_bus_close_unref(client->bus);
        caller_deinit(&client->caller);
        free(client);
        return NULL;
}
DEFINE_CLEANUP(struct client *, client, client_free)

static int client_gone(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        client_free(userdata);
        return 0;
}

/* Before each message of the client. */
static int client_asks(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;

        if (client_is_root(client) || client_get_queued(client) < UNREAD_MAX)
                return 0;
        log_warning(
                "user %u asks and does not read the answers: the connection of pid %d is closed",
                client->caller.uid, client->caller.pid);
        client_free(client);
        return 1;
}

/* A server of its own for each connection; the peer is trusted since control_dispatch() let it in.
 */
static int client_serve(struct client *client, int fd)
{
        sd_id128_t id;
        int r;

        r = sd_bus_new(&client->bus);
        if (r < 0) {
                close_fd(fd);
                return r;
        }
        r = sd_bus_set_fd(client->bus, fd, fd);
        if (r < 0) {
                close_fd(fd);
                return r;
        }
        r = sd_id128_randomize(&id);
        if (r >= 0)
                r = sd_bus_set_server(client->bus, true, id);
        if (r >= 0)
                r = sd_bus_set_trusted(client->bus, true);
        if (r >= 0)
                r = sd_bus_start(client->bus);
        if (r >= 0)
                r = sd_bus_add_object_vtable(client->bus, NULL, CONTROL_PATH, CONTROL_INTERFACE,
                                             manager_interface, client);
        if (r >= 0)
                r = sd_bus_add_filter(client->bus, NULL, client_asks, client);
        if (r >= 0)
                r = sd_bus_match_signal(client->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                        "org.freedesktop.DBus.Local", "Disconnected", client_gone,
                                        client);
        if (r >= 0)
                r = sd_bus_attach_event(client->bus, client->control->event, 0);
        return r;
}

/* Root has places of its own, and waits for one. */
static bool has_room(const struct control *control, uid_t uid)
{
        unsigned int n_same = 0, n_others = 0;
        struct client *client;

        list_for_each (client, &control->clients, link) {
                n_same += client->caller.uid == uid;
                n_others += !client_is_root(client);
        }
        return uid == 0 || (n_same < CLIENTS_PER_USER && n_others < CLIENTS_OF_OTHERS);
}

/* Takes caller and fd over, also on failure. */
static int client_new(struct control *control, struct caller *caller, int fd)
{
        _cleanup_(cleanup_client) struct client *client = calloc(1, sizeof(*client));
        int r;

        if (!client) {
                caller_deinit(caller);
                close_fd(fd);
                return -ENOMEM;
        }
        client->control = control;
        client->caller = *caller;
        *caller = (struct caller){};
        list_init(&client->permissions);
        list_init(&client->answers);
        list_init(&client->follows);
        list_append(&control->clients, &client->link);
        if (client_is_root(client) && ++control->n_root_clients >= CLIENTS_MAX)
                (void)sd_event_source_set_enabled(control->source, SD_EVENT_OFF);
        r = client_serve(client, fd);
        if (r < 0)
                return r;
        take_ptr(client);
        return 0;
}

int control_admit(struct control *control, struct caller *caller, int fd)
{
        bool is_full = caller->uid == 0 && control->n_root_clients >= CLIENTS_MAX;

        if (!is_full && has_room(control, caller->uid))
                return client_new(control, caller, fd);
        log_warning("user %u has as many connections as may be: another one is closed",
                    caller->uid);
        caller_deinit(caller);
        close_fd(fd);
        return -EUSERS;
}

static int control_dispatch(sd_event_source *source, int listen_fd, uint32_t events, void *userdata)
{
        struct control *control = userdata;
        struct caller caller = {};
        _cleanup_fd_ int fd = -1;
        pid_t pid;
        int r;

        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 || caller_identify(fd, &caller) < 0)
                return 0;
        if (!has_room(control, caller.uid)) {
                log_warning("user %u has as many connections as may be: that of pid %d is closed",
                            caller.uid, caller.pid);
                caller_deinit(&caller);
                return 0;
        }
        pid = caller.pid;
        r = client_new(control, &caller, take_fd(&fd));
        if (r < 0)
                log_error("cannot serve pid %d on the control socket: %s", pid, strerror(-r));
        return 0;
}

void control_init(struct control *control, sd_event *event, const struct options *options,
                  const struct paths *paths, struct session_table *sessions, struct set_table *sets,
                  struct store *store, const struct endpoint_table *endpoints,
                  struct questions *questions, struct keys *keys, struct engine *engine)
{
        *control = (struct control){
                .event = event,
                .options = options,
                .paths = paths,
                .sessions = sessions,
                .sets = sets,
                .store = store,
                .endpoints = endpoints,
                .questions = questions,
                .keys = keys,
                .engine = engine,
                .listen_fd = -1,
        };
        list_init(&control->clients);
        list_init(&control->calls);
        authority_init(&control->authority, event);
}

int control_open(struct control *control)
{
        int r;

        control->listen_fd = folder_listen(control->paths->control_socket, SOCK_STREAM, 0666);
        if (control->listen_fd < 0)
                return control->listen_fd;
        r = sd_event_add_io(control->event, &control->source, control->listen_fd, EPOLLIN,
                            control_dispatch, control);
        if (r < 0)
                return r;
        return sd_event_source_set_ratelimit(control->source, ACCEPTS_INTERVAL_US, ACCEPTS_MAX);
}

void control_deinit(struct control *control)
{
        struct client *client;

        calls_free(control);
        while ((client = list_first(&control->clients, struct client, link)))
                client_free(client);
        authority_deinit(&control->authority);
        control->source = sd_event_source_disable_unref(control->source);
        control->listen_fd = close_fd(control->listen_fd);
}

static int send_event(struct client *client, const struct wire_message *flow)
{
        _cleanup_message_ sd_bus_message *event = NULL;
        int r;

        r = sd_bus_message_new_signal(client->bus, &event, CONTROL_PATH, CONTROL_INTERFACE,
                                      "FlowEvent");
        if (r >= 0)
                r = record_begin(event);
        if (r >= 0)
                r = record_put_attributes(event, flow);
        if (r >= 0 && client->n_missed)
                r = record_put_uint64(event, "missed", client->n_missed);
        if (r >= 0)
                r = record_end(event);
        return r < 0 ? r : sd_bus_send(client->bus, event, NULL);
}

void control_flow_event(struct control *control, const struct wire_message *message)
{
        struct client *client;

        list_for_each (client, &control->clients, link) {
                if (!client->watching || !client_may_see_flow(client, message))
                        continue;
                if (client_get_queued(client) >= EVENTS_QUEUED_MAX ||
                    send_event(client, message) < 0)
                        client->n_missed++;
                else
                        client->n_missed = 0;
        }
}

int control_refuse(sd_bus_message *message, int error, const char *format, ...)
{
        const char *error_name = strerrorname_np(-error) ?: "EIO";
        _cleanup_free_ char *sentence = NULL;
        char name[64];
        va_list args;

        va_start(args, format);
        if (vasprintf(&sentence, format, args) < 0)
                sentence = NULL;
        va_end(args);
        snprintf(name, sizeof(name), "System.Error.%s", error_name);
        return sd_bus_reply_method_errorf(message, name, "%s", sentence ?: strerror(-error));
}
