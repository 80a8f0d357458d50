/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An app's side. To be connected is not to be served: netextd holds the socket until a process
 * of the extension says welcome, or says itself why none will. So a socket that ends before that
 * is no failure but a process that died with it in its hands, and we connect again. A goodbye
 * makes the link a leaving one, which lives until what was asked there is answered, or, where we
 * take events, until the process ends it; what is new waits for the next process.
 *
 * The connection has a loop of its own, so that any loop, or none, can drive it.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "footprint/footprint.h"
#include "sdk/check.h"
#include "sdk/endpoint-connection.h"
#include "sdk/endpoint-message.h"
#include "sdk/public.h"

/* netextd has no socket's end in its hands, or its queue is full. */
#define RETRY_NS 20000000ULL
/* A socket that nobody listens on is that of a netextd which died, and is about to come back. */
#define DAEMON_RETRY_NS  100000000ULL
#define DAEMON_WAIT_NS   10000000000ULL
#define EVENTS_IN_FLIGHT 1024

struct client {
        struct nx_connection connection;
        struct loop loop;
        struct loop_timer retry;
        struct list leaving; /* link.list */
        char *endpoint, *folder;
        struct nx_connection_options options;
        uint64_t daemon_gone_ns; /* since when, or 0 */
        bool is_open;            /* the link was welcomed */
        bool is_dispatching;
};

static struct client *client_of(struct nx_connection *connection)
{
        return container_of(connection, struct client, connection);
}

/* Done, where nobody waits for anything there. Links go at the end of a round, see link_ops. */
static bool is_leaving_for_good(struct client *client, struct link *link)
{
        if (!link_is_open(link))
                return true;
        return !client->options.handle_event && list_is_empty(&link->asked) &&
               list_is_empty(&link->owed) && !link_has_waiting(link);
}

static void client_sweep(struct client *client)
{
        struct link *link, *following;

        list_for_each_safe (link, following, &client->leaving, list)
                if (is_leaving_for_good(client, link) || client->connection.result < 0) {
                        connection_forget(&client->connection, link, -EPIPE);
                        link_free(link);
                }
}

static void client_retry(struct client *client, uint64_t delay_ns)
{
        loop_timer_start(&client->loop, &client->retry, now_ns() + delay_ns);
}

/* connect(2) has room for a short path only; /proc leads to a socket by descriptor. */
static int connect_to(int socket_fd, const char *folder, const char *name)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int at = -1;
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        if (strlen(path) < sizeof(address.sun_path)) {
                strcpy(address.sun_path, path);
        } else {
                at = open(path, O_PATH | O_CLOEXEC);
                if (at < 0)
                        return -errno;
                snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", at);
        }
        if (connect(socket_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        /* From here on who waits says so: see link_wait(). */
        return fcntl(socket_fd, F_SETFL, 0) < 0 ? -errno : 0;
}

static void client_cannot_connect(struct client *client, int error)
{
        struct nx_connection *connection = &client->connection;
        const char *instance = client->options.instance;

        if (error == -ENOENT && access(client->folder, F_OK) < 0)
                connection_end(connection, -ECONNREFUSED, "No netextd runs for the instance \"%s\"",
                               instance);
        else if (error == -ENOENT)
                connection_end(connection, error,
                               "There is no endpoint \"%s\" in the instance \"%s\": no activated "
                               "extension has one of that name",
                               client->endpoint, instance);
        else if (error == -ECONNREFUSED)
                connection_end(connection, error,
                               "The netextd of the instance \"%s\" ended %llu s ago and has not "
                               "come back",
                               instance, DAEMON_WAIT_NS / 1000000000ULL);
        else
                connection_end(connection, error, "Connecting to the endpoint \"%s\" failed: %s",
                               client->endpoint, strerror(-error));
}

/* Until it is welcomed, the link keeps what is sent. */
static void client_connect(struct client *client)
{
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int r;

        r = fd < 0 ? -errno : connect_to(fd, client->folder, client->endpoint);
        if (r == -ECONNREFUSED) {
                if (client->daemon_gone_ns == 0)
                        client->daemon_gone_ns = now_ns();
                if (now_ns() - client->daemon_gone_ns < DAEMON_WAIT_NS) {
                        client_retry(client, DAEMON_RETRY_NS);
                        return;
                }
        } else if (r == -EAGAIN) {
                client_retry(client, RETRY_NS);
                return;
        }
        if (r >= 0)
                r = link_open(client->connection.link, take_fd(&fd));
        if (r < 0)
                client_cannot_connect(client, r);
        else
                client->daemon_gone_ns = 0;
}

static int client_on_retry(void *userdata)
{
        client_connect(userdata);
        return 0;
}

static void give_credit(struct link *link, unsigned int n)
{
        struct frame credit = { .type = FRAME_CREDIT, .value = (int32_t)n };

        (void)link_send_anyway(link, &credit);
}

static int client_welcomed(struct client *client, const struct frame *frame,
                           const char **ret_problem)
{
        struct nx_connection *connection = &client->connection;

        if (frame->value != FRAME_VERSION) {
                *ret_problem = "it speaks another version of the protocol; this libnetext and the "
                               "extension's have to be of the same release";
                return -EPROTO;
        }
        client->is_open = true;
        link_release(connection->link);
        if (client->options.handle_event)
                give_credit(connection->link, EVENTS_IN_FLIGHT);
        if (client->options.handle_open)
                client->options.handle_open(connection, connection->userdata);
        return 0;
}

static int client_refused(struct client *client, const struct frame *frame)
{
        connection_end(&client->connection, frame->value, "%.*s", (int)frame->size,
                       (const char *)frame->payload);
        return 0;
}

static int client_parts(struct client *client)
{
        struct nx_connection *connection = &client->connection;
        struct link *next = connection_new_link(connection);
        struct frame goodbye = { .type = FRAME_GOODBYE };

        if (!next)
                return -ENOMEM;
        (void)link_send_anyway(connection->link, &goodbye); /* behind all that was asked there */
        next->is_held = true;
        list_append(&client->leaving, &connection->link->list);
        connection->link = next;
        client->is_open = false;
        client_connect(client);
        return 0;
}

static int client_event(struct client *client, struct link *link, struct frame *frame)
{
        struct nx_message event = message_of_frame(frame);

        if (client->connection.is_closed)
                return 0;
        client->options.handle_event(&client->connection, &event, (uint32_t)frame->value,
                                     client->connection.userdata);
        if (++link->n_events >= EVENTS_IN_FLIGHT / 2 && link_is_open(link)) {
                give_credit(link, link->n_events);
                link->n_events = 0;
        }
        return 0;
}

static int client_frame(struct nx_connection *connection, struct link *link, struct frame *frame,
                        const char **ret_problem)
{
        struct client *client = client_of(connection);
        bool is_current = link == connection->link;

        if (frame->type == FRAME_WELCOME && is_current && !client->is_open)
                return client_welcomed(client, frame, ret_problem);
        if (frame->type == FRAME_REFUSED && is_current && !client->is_open)
                return client_refused(client, frame);
        if (frame->type == FRAME_GOODBYE && is_current && client->is_open)
                return client_parts(client);
        if (frame->type == FRAME_EVENT && client->options.handle_event)
                return client_event(client, link, frame);
        *ret_problem = "it sent a frame that has no place here";
        return -EBADMSG;
}

static void client_link_ended(struct nx_connection *connection, struct link *link, int error,
                              const char *problem)
{
        struct client *client = client_of(connection);

        if (link != connection->link) {
                connection_forget(connection, link, -EPIPE);
        } else if (error != -EPIPE) {
                connection_end(connection, error, "The endpoint \"%s\" broke the protocol: %s",
                               client->endpoint, problem);
        } else if (!client->is_open) {
                client_retry(client, RETRY_NS);
        } else {
                connection_end(connection, error,
                               "The process behind the endpoint \"%s\" ended, or closed the "
                               "connection",
                               client->endpoint);
        }
}

static void client_free(struct nx_connection *connection)
{
        struct client *client = client_of(connection);

        client_sweep(client);
        loop_timer_stop(&client->retry);
        connection_deinit(connection);
        loop_deinit(&client->loop);
        free(client->endpoint);
        free(client->folder);
        free((char *)client->options.instance);
        free(client);
}

static void client_close(struct nx_connection *connection)
{
        struct client *client = client_of(connection);
        struct link *link;

        loop_timer_stop(&client->retry);
        list_for_each (link, &client->leaving, list) {
                link_close(link);
                connection_forget(connection, link, -ECANCELED);
        }
        connection_unref(connection);
}

static const struct connection_role client_role = {
        .frame = client_frame,
        .link_ended = client_link_ended,
        .close = client_close,
        .free = client_free,
};

/* TEAM.identifier.name: a file's name, of printable characters. */
static bool is_endpoint_name(const char *name)
{
        size_t length = name ? strlen(name) : 0;

        if (length == 0 || length > NAME_MAX || name[0] == '.')
                return false;
        for (size_t i = 0; i < length; i++)
                if (name[i] <= ' ' || name[i] == '/' || name[i] == 0x7f)
                        return false;
        return true;
}

/* What is left out has a default; what the options point to is copied. */
static int client_take_options(struct client *client, const char *endpoint,
                               const struct nx_connection_options *options)
{
        const char *instance =
                options && options->instance ? options->instance : NX_INSTANCE_DEFAULT;

        if (!is_endpoint_name(endpoint) || !name_is_valid(instance))
                return -EINVAL;
        if (options && !options_are_known(options, sizeof(*options)))
                return -EINVAL;
        if (options)
                client->options = *options;
        client->options.instance = strdup(instance);
        client->endpoint = strdup(endpoint);
        if (asprintf(&client->folder, FOOTPRINT_RUNTIME "/%s/endpoints", instance) < 0)
                client->folder = NULL;
        return client->options.instance && client->endpoint && client->folder ? 0 : -ENOMEM;
}

static int client_init(struct client *client, const char *endpoint,
                       const struct nx_connection_options *options)
{
        struct nx_connection *connection = &client->connection;
        int r;

        list_init(&client->leaving);
        loop_timer_init(&client->retry, client_on_retry, client);
        client->loop = (struct loop){ .epoll_fd = -1, .timer_fd = -1 };
        r = connection_init(connection, &client_role, &client->loop);
        if (r >= 0)
                r = client_take_options(client, endpoint, options);
        if (r >= 0)
                r = loop_init(&client->loop);
        if (r < 0)
                return r;
        connection->handle_message = client->options.handle_message;
        connection->handle_closed = client->options.handle_closed;
        connection->userdata = client->options.userdata;
        connection->link->is_held = true;
        return 0;
}

_public_ int nx_connection_open(struct nx_connection **ret_connection, const char *endpoint,
                                const struct nx_connection_options *options)
{
        _cleanup_(cleanup_connection) struct nx_connection *connection = NULL;
        struct client *client = calloc(1, sizeof(*client));
        int r;

        if (!client)
                return -ENOMEM;
        connection = &client->connection;
        connection->n_refs = 1;
        r = client_init(client, endpoint, options);
        if (r < 0)
                return r;
        /* In the first round: no function is called before this returns. */
        client_retry(client, 0);
        loop_arm(&client->loop);
        *ret_connection = take_ptr(connection);
        return 0;
}

_public_ int nx_connection_get_fd(struct nx_connection *connection)
{
        return connection->loop->epoll_fd;
}

/* With nothing but the one socket to wait for, the loop is a detour. */
static bool waits_for_socket_only(const struct client *client)
{
        return client->is_open && list_is_empty(&client->loop.timers) &&
               list_is_empty(&client->leaving) && link_may_wait(client->connection.link);
}

static int client_round(struct client *client, int timeout_ms)
{
        struct nx_connection *connection = &client->connection;
        int r = 0;

        client->is_dispatching = true;
        if (timeout_ms < 0 && waits_for_socket_only(client))
                link_wait(connection->link);
        else
                r = loop_dispatch(&client->loop, timeout_ms);
        loop_arm(&client->loop); /* for one who waits elsewhere */
        client->is_dispatching = false;
        client_sweep(client);
        if (r < 0)
                connection_end(connection, r, "The event loop failed: %s", strerror(-r));
        return connection->result;
}

_public_ int nx_connection_dispatch(struct nx_connection *connection)
{
        _cleanup_(cleanup_connection) struct nx_connection *held = NULL;
        struct client *client;

        if (connection->role != &client_role)
                return -EINVAL;
        client = client_of(connection);
        if (client->is_dispatching)
                return -EBUSY;
        if (connection->result < 0)
                return connection->result;
        held = connection_ref(connection);
        return client_round(client, 0);
}

struct call {
        bool is_over;
        int result;
        struct nx_message *answer;
};

_printf_(2, 3) static void say(struct nx_connection *connection, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        connection_say(connection, format, args);
        va_end(args);
}

/* The connection goes on, so its own sentence is none about this. */
static void say_why_unanswered(struct nx_connection *connection, int result)
{
        const char *endpoint = client_of(connection)->endpoint;

        if (result == -EPIPE)
                say(connection,
                    "The process behind the endpoint \"%s\" was replaced, and ended without an "
                    "answer",
                    endpoint);
        else if (result == -ETIME)
                say(connection, "The endpoint \"%s\" did not answer in time", endpoint);
}

static void call_answered(struct nx_connection *connection, int result, struct nx_message *answer,
                          void *userdata)
{
        struct call *call = userdata;

        call->is_over = true;
        call->result = result;
        if (result < 0 && answer->size > 0)
                say(connection, "%.*s", (int)answer->size, (const char *)answer->bytes);
        else if (result < 0 && connection->result >= 0)
                say_why_unanswered(connection, result);
        if (result < 0)
                return;
        call->answer = message_keep(answer);
        if (!call->answer)
                call->result = -ENOMEM;
}

_public_ int nx_connection_call(struct nx_connection *connection, const struct nx_message *question,
                                uint32_t deadline_ms, struct nx_message **ret_answer)
{
        _cleanup_(cleanup_connection) struct nx_connection *held = connection_ref(connection);
        struct client *client = client_of(connection);
        struct call call = {};
        int r;

        if (connection->role != &client_role || client->is_dispatching)
                return -EBUSY;
        if (connection->result < 0)
                return connection->result;
        r = nx_connection_ask(connection, question, deadline_ms, call_answered, &call);
        while (r >= 0 && !call.is_over)
                r = client_round(client, -1);
        if (!call.is_over)
                return r;
        if (call.result >= 0)
                *ret_answer = call.answer;
        return call.result;
}
