/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Life of a provider. Its peers are netextd (control.c) and, for each session, netext-flowd
 * (session.c); it ends when none is left, or at the first thing that should not
 * have happened: bytes that break the protocol, a verdict that is none. An error
 * anywhere is remembered with its sentence by provider_fail() and travels up as the
 * result of the round, so that there is one place that ends things: provider_end().
 *
 * What callbacks send is batched and leaves at the end of the round.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include "sdk/check.h"
#include "sdk/provider.h"
#include "sdk/public.h"

/* A table is there if one of its functions is. */
#define TABLE_IS_THERE(table) (!is_zero(&(table), sizeof(table)))

static bool is_zero(const void *bytes, size_t size)
{
        static const char zeros[sizeof(struct nx_extension)];

        return memcmp(bytes, zeros, size) == 0;
}

/* Without any function it is a filter, which allows every flow. */
uint32_t provider_kinds(const struct nx_provider *provider)
{
        const struct nx_extension *extension = &provider->extension;
        uint32_t kinds = 0;

        if (TABLE_IS_THERE(extension->filter))
                kinds |= 1U << NX_PROVIDER_KIND_FILTER;
        if (TABLE_IS_THERE(extension->transparent_proxy))
                kinds |= 1U << NX_PROVIDER_KIND_TRANSPARENT_PROXY;
        if (TABLE_IS_THERE(extension->app_proxy))
                kinds |= 1U << NX_PROVIDER_KIND_APP_PROXY;
        if (TABLE_IS_THERE(extension->packet_filter))
                kinds |= 1U << NX_PROVIDER_KIND_PACKET_FILTER;
        return kinds ? kinds : 1U << NX_PROVIDER_KIND_FILTER;
}

int provider_fail(struct nx_provider *provider, int r, const char *format, ...)
{
        va_list args;

        if (provider->result < 0)
                return provider->result;
        provider->result = r;
        va_start(args, format);
        vsnprintf(provider->error, sizeof(provider->error), format, args);
        va_end(args);
        if (r != -EPIPE)
                control_report(&provider->control, NX_LEVEL_ERROR, NULL, provider->error);
        return r;
}

int provider_fail_message(struct nx_provider *provider, const char *peer_name,
                          enum wire_message_type type)
{
        return provider_fail(provider, -EPROTO,
                             "%s sent %s, which an extension does not expect here; netext's "
                             "programs are perhaps of different versions",
                             peer_name, wire_message_info(type)->name);
}

int provider_receive(struct nx_provider *provider, struct peer *peer, const char *peer_name,
                     channel_message_fn *fn, void *userdata)
{
        int r;

        r = channel_receive(&peer->channel, fn, userdata);
        if (provider->result < 0)
                return provider->result;
        if (r >= 0 || r == -EAGAIN)
                return 0;
        if (r == -EPIPE)
                return PROVIDER_PEER_GONE;
        if (r == -EBADMSG)
                return provider_fail(provider, r, "%s broke the protocol: %s", peer_name,
                                     peer->channel.problem);
        return provider_fail(provider, r, "Receiving from %s failed: %s", peer_name, strerror(-r));
}

static void provider_flush(struct nx_provider *provider)
{
        struct session *session;
        int r;

        /* Reports that netextd does not read are lost; verdicts must not be. */
        (void)peer_flush(&provider->control.manager);
        list_for_each (session, &provider->sessions, link) {
                r = peer_flush(&session->engine);
                if (r < 0)
                        (void)provider_fail(provider, r, "Answering netext-flowd failed: %s",
                                            strerror(-r));
        }
}

bool provider_is_connected(const struct nx_provider *provider)
{
        struct session *session;

        list_for_each (session, &provider->sessions, link)
                if (session_is_connected(session))
                        return true;
        return false;
}

void provider_tell_drained(struct nx_provider *provider)
{
        struct session *session;

        if (!provider->endpoints.is_leaving || provider_is_connected(provider))
                return;
        list_for_each (session, &provider->sessions, link)
                if (!session_is_drained(session))
                        return;
        control_tell(&provider->control, NX_MSG_MANAGER_FLOWS_LEFT);
}

static void free_stopped_sessions(struct nx_provider *provider)
{
        struct session *session, *following;

        list_for_each_safe (session, following, &provider->sessions, link)
                if (session->is_over && !session_is_connected(session))
                        session_free(session, NX_PROVIDER_STOP_NONE);
}

void provider_flush_soon(struct nx_provider *provider)
{
        if (!provider->is_dispatching)
                provider_flush(provider);
}

static int provider_after_round(void *userdata)
{
        struct nx_provider *provider = userdata;

        endpoints_sweep(&provider->endpoints);
        provider_flush(provider);
        if (provider->result < 0)
                return provider->result;
        free_stopped_sessions(provider);
        if (control_is_alive(&provider->control) || provider_is_connected(provider))
                return 0;
        return provider_fail(provider, -EPIPE, "netextd and netext-flowd closed their channels");
}

/* Also the end of one that was never begun or that ended before. */
static void provider_end(struct nx_provider *provider, enum nx_provider_stop_reason reason)
{
        struct session *session;

        endpoints_deinit(&provider->endpoints);
        while ((session = list_first(&provider->sessions, struct session, link)))
                session_free(session, reason);
        (void)peer_flush(&provider->control.manager);
        control_deinit(&provider->control);
        key_calls_end(&provider->key_calls, -ECANCELED, "the extension ends");
}

int provider_round(struct nx_provider *provider, int timeout_ms)
{
        int r;

        if (provider->result < 0)
                return provider->result;
        provider->is_dispatching = true;
        r = loop_dispatch(&provider->loop, timeout_ms);
        /* The loop arms its timer before it waits: for a timer that this round started and a
         * caller who waits elsewhere, that is now. */
        if (r >= 0 && timeout_ms == 0 && !list_is_empty(&provider->loop.timers))
                r = loop_dispatch(&provider->loop, 0);
        if (r < 0) {
                (void)provider_fail(provider, r, "The event loop failed: %s", strerror(-r));
                provider_end(provider, NX_PROVIDER_STOP_INTERNAL_ERROR);
        }
        provider->is_dispatching = false;
        return r;
}

static int control_fd_from_environment(void)
{
        const char *text = getenv("NETEXT_CONTROL_FD");
        int type = 0, fd;
        socklen_t size = sizeof(type);
        char *end;
        long value;

        if (!text || !*text)
                return -ENOTCONN;
        errno = 0;
        value = strtol(text, &end, 10);
        if (errno || *end || value < 0 || value > INT_MAX)
                return -ENOTCONN;
        fd = (int)value;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)
                return -ENOTCONN;
        return fd;
}

/* The channel is ours alone: programs that the extension starts get neither it nor its name. */
static int take_control_fd(void)
{
        int fd;

        fd = control_fd_from_environment();
        if (fd < 0)
                return fd;
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;
        unsetenv("NETEXT_CONTROL_FD");
        return fd;
}

static void system_changed(const struct nx_system *system, uint32_t changed, void *userdata)
{
        struct nx_provider *provider = userdata;

        provider->extension.handle_system(system, changed, provider->userdata);
}

_public_ int nx_provider_new(struct nx_provider **ret_provider,
                             const struct nx_extension *extension, void *userdata)
{
        _cleanup_(cleanup_provider) struct nx_provider *provider = NULL;
        int fd, r;

        if (!options_are_known(extension, sizeof(*extension)) ||
            !identifier_is_valid(extension->identifier))
                return -EINVAL;
        provider = calloc(1, sizeof(*provider));
        if (!provider)
                return -ENOMEM;
        provider->extension = *extension;
        provider->userdata = userdata;
        provider->control = (struct control)CONTROL_NULL;
        list_init(&provider->sessions);
        asks_init(&provider->asks);
        key_calls_init(&provider->key_calls);
        r = loop_init(&provider->loop);
        if (r < 0)
                return r;
        loop_set_after_round(&provider->loop, provider_after_round, provider);
        r = endpoints_init(&provider->endpoints, provider);
        if (r < 0)
                return r;

        fd = take_control_fd();
        if (fd < 0)
                return fd;
        r = control_init(&provider->control, provider, fd);
        if (r < 0)
                return r;
        if (extension->handle_system)
                system_watch_start(&provider->system_watch, &provider->loop, "", system_changed,
                                   provider);
        *ret_provider = take_ptr(provider);
        return 0;
}

_public_ int nx_provider_get_fd(struct nx_provider *provider)
{
        return provider->loop.epoll_fd;
}

_public_ int nx_provider_dispatch(struct nx_provider *provider)
{
        if (provider->is_dispatching)
                return -EBUSY;
        return provider_round(provider, 0);
}

_public_ const char *nx_provider_get_error(struct nx_provider *provider)
{
        return provider->result < 0 ? provider->error : "no error";
}

_public_ struct nx_provider *nx_provider_free(struct nx_provider *provider)
{
        if (!provider)
                return NULL;
        provider->is_dispatching = true; /* nothing that its last callbacks do is sent at once */
        provider_end(provider, NX_PROVIDER_STOP_NONE);
        system_watch_stop(&provider->system_watch);
        loop_deinit(&provider->loop);
        free(provider);
        return NULL;
}
