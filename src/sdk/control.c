/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextd hands us files of the configuration and our flow channel, and hears who we
 * are and what we report. When it dies, the flow channel lives on and so do we: a
 * restarted netextd listens on a well-known socket, where we try every 100 ms for a
 * minute. Without a flow channel, or after a stop, there is nothing left to come back for,
 * unless we are installed: then sessions may come, and come again (NETEXT_EXTENSION_STAYS).
 */

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sdk/answers.h"
#include "sdk/control.h"
#include "sdk/provider.h"

#define RETRY_INTERVAL_NS 100000000ULL
#define RETRIES_MAX       600

static int control_on_io(uint32_t events, void *userdata);

static int control_open(struct control *control, int fd)
{
        struct nx_provider *provider = control->provider;
        struct wire_writer *hello;
        int r;

        r = peer_open(&control->manager, &provider->loop, fd, control_on_io, control);
        if (r < 0)
                return r;
        hello = channel_begin(&control->manager.channel, NX_MSG_MANAGER_EXTENSION_HELLO, 0);
        wire_put(hello, WIRE_ATTR_VERSION, WIRE_VERSION);
        wire_put_string(hello, WIRE_ATTR_NAME, provider->extension.identifier);
        wire_put(hello, WIRE_ATTR_KINDS, provider_kinds(provider));
        (void)channel_end(&control->manager.channel);
        endpoints_meet_daemon(&provider->endpoints);
        provider_tell_drained(provider);
        return peer_flush(&control->manager);
}

/* 0, or why there is no netextd to talk to at this moment. */
static int control_connect(struct control *control)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = -1;

        strcpy(address.sun_path, control->socket_path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return control_open(control, take_fd(&fd));
}

static bool has_reason_to_stay(const struct control *control)
{
        return control->stays || provider_is_connected(control->provider);
}

static int control_on_retry(void *userdata)
{
        struct control *control = userdata;
        struct nx_provider *provider = control->provider;

        control->n_retries_left--;
        if (!has_reason_to_stay(control))
                control->n_retries_left = 0;
        else if (control_connect(control) >= 0)
                control->n_retries_left = 0;
        else if (control->n_retries_left > 0)
                loop_timer_start(&provider->loop, &control->retry, now_ns() + RETRY_INTERVAL_NS);
        return 0;
}

static void control_lost(struct control *control)
{
        struct nx_provider *provider = control->provider;

        peer_close(&control->manager);
        asks_lose_daemon(provider);
        key_calls_end(&provider->key_calls, -ECONNRESET,
                      "netextd ended before it had an answer; ask again");
        if (!control->socket_path || (provider->was_stopped && !control->stays) ||
            !has_reason_to_stay(control))
                return;
        control->n_retries_left = RETRIES_MAX;
        loop_timer_start(&provider->loop, &control->retry, now_ns() + RETRY_INTERVAL_NS);
}

static int get_session(struct nx_provider *provider, const char *name, struct session **ret)
{
        *ret = session_get(provider, name);
        return *ret ? 0 : provider_fail(provider, -ENOMEM, "No memory for session %s", name);
}

static int handle_file(struct nx_provider *provider, const struct wire_message *message, int *fd)
{
        struct session *session;
        int r;

        r = get_session(provider, wire_get_string(message, WIRE_ATTR_SESSION_NAME), &session);
        if (r < 0)
                return r;
        return session_handle_file(session, wire_get_string(message, WIRE_ATTR_NAME),
                                   wire_get_string(message, WIRE_ATTR_TEXT), fd);
}

static int handle_channel(struct nx_provider *provider, const struct wire_message *message, int *fd)
{
        struct session *session;
        int r;

        r = get_session(provider, wire_get_string(message, WIRE_ATTR_NAME), &session);
        return r < 0 ? r : session_connect(session, take_fd(fd));
}

static int handle_answers(struct nx_provider *provider, const struct wire_message *message)
{
        struct session *session;
        int r;

        r = get_session(provider, wire_get_string(message, WIRE_ATTR_SESSION_NAME), &session);
        if (r < 0)
                return r;
        return message->type == NX_MSG_EXTENSION_ANSWERS_BEGIN ? answers_handle_begin(session)
                                                               : answers_handle_commit(session);
}

static int control_on_message(const struct wire_message *message, int *fd, void *userdata)
{
        struct nx_provider *provider = userdata;

        switch (message->type) {
        case NX_MSG_EXTENSION_FILE:
                return handle_file(provider, message, fd);
        case NX_MSG_EXTENSION_CHANNEL:
                return handle_channel(provider, message, fd);
        case NX_MSG_EXTENSION_ANSWER:
                return asks_handle_answer(provider, message);
        case NX_MSG_EXTENSION_ANSWERS_BEGIN:
        case NX_MSG_EXTENSION_ANSWERS_COMMIT:
                return handle_answers(provider, message);
        case NX_MSG_EXTENSION_ANSWERS_ENTRY:
                return answers_handle_entry(provider, message);
        case NX_MSG_EXTENSION_KEYS_DONE:
                return key_calls_handle_done(provider, message);
        case NX_MSG_EXTENSION_KEYS_VALUE:
                return key_calls_handle_value(provider, message, *fd);
        case NX_MSG_EXTENSION_ENDPOINT_PEER:
                return endpoints_handle_peer(&provider->endpoints, message, fd);
        case NX_MSG_EXTENSION_ENDPOINTS_LEAVE:
                endpoints_leave(&provider->endpoints);
                provider_tell_drained(provider);
                return 0;
        default:
                return provider_fail_message(provider, "netextd", message->type);
        }
}

static int control_on_io(uint32_t events, void *userdata)
{
        struct control *control = userdata;
        int r;

        r = provider_receive(control->provider, &control->manager, "netextd", control_on_message,
                             control->provider);
        if (r == PROVIDER_PEER_GONE) {
                control_lost(control);
                return 0;
        }
        return r;
}

int control_init(struct control *control, struct nx_provider *provider, int fd)
{
        const char *path = getenv("NETEXT_EXTENSION_SOCKET");
        size_t path_max = sizeof(((struct sockaddr_un *)NULL)->sun_path);

        *control = (struct control){
                .provider = provider,
                .manager = PEER_NULL,
                .stays = getenv("NETEXT_EXTENSION_STAYS") != NULL,
        };
        loop_timer_init(&control->retry, control_on_retry, control);
        if (path && strlen(path) < path_max) {
                control->socket_path = strdup(path);
                if (!control->socket_path) {
                        close_fd(fd);
                        return -ENOMEM;
                }
        }
        return control_open(control, fd);
}

void control_deinit(struct control *control)
{
        if (!control->provider)
                return;
        loop_timer_stop(&control->retry);
        peer_close(&control->manager);
        free(take_ptr(control->socket_path));
        control->n_retries_left = 0;
}

bool control_is_alive(const struct control *control)
{
        return peer_is_open(&control->manager) || control->n_retries_left > 0;
}

void control_tell(struct control *control, enum wire_message_type type)
{
        struct channel *channel = &control->manager.channel;

        if (!peer_is_open(&control->manager))
                return;
        channel_begin(channel, type, 0);
        (void)channel_end(channel);
        provider_flush_soon(control->provider);
}

void control_report(struct control *control, enum nx_level level, const char *session,
                    const char *text)
{
        struct channel *channel = &control->manager.channel;
        struct wire_writer *report;

        if (!peer_is_open(&control->manager))
                return;
        report = channel_begin(channel, NX_MSG_MANAGER_EXTENSION_REPORT, 0);
        wire_put(report, WIRE_ATTR_COUNT, (uint64_t)level);
        wire_put_string(report, WIRE_ATTR_SESSION_NAME, session);
        wire_put_string(report, WIRE_ATTR_TEXT, text);
        (void)channel_end(channel);
        provider_flush_soon(control->provider);
}
