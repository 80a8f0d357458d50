/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The transparent proxy and the app proxy: the public names for what a session does, and
 * its role in it. The two differ in the table that is run, and in flowd.
 *
 * netext-flowd knows one kind of settings. For a proxy ALLOW means that it is not asked
 * and FILTER_DATA that it is; the first match decides, so what is excluded lies before
 * what is included.
 */

#include <errno.h>
#include <stdarg.h>

#include "sdk/provider.h"
#include "sdk/public.h"

_Static_assert(NX_UDP_IDLE_MAX == WIRE_UDP_IDLE_S_MAX, "flowd takes what we allow");

struct nx_proxy_settings {
        struct settings common;
        size_t n_excluded; /* the first rules */
};

static const struct nx_proxy_provider *functions_of(const struct session *session)
{
        const struct nx_extension *extension = &session->provider->extension;

        return session->kind == NX_PROVIDER_KIND_APP_PROXY ? &extension->app_proxy
                                                           : &extension->transparent_proxy;
}

static bool proxy_verdict_is_known(enum nx_verdict verdict)
{
        return verdict == NX_VERDICT_CLAIM || verdict == NX_VERDICT_DECLINE ||
               verdict == NX_VERDICT_DROP || verdict == NX_VERDICT_REFUSE ||
               verdict == NX_VERDICT_PEEK;
}

static int proxy_start(struct session *session)
{
        const struct nx_proxy_provider *functions = functions_of(session);

        if (!functions->start_proxy)
                return 0;
        return functions->start_proxy(&session->proxy, session->provider->userdata);
}

static void proxy_stop(struct session *session, enum nx_provider_stop_reason reason)
{
        const struct nx_proxy_provider *functions = functions_of(session);

        if (functions->stop_proxy)
                functions->stop_proxy(&session->proxy, reason, session->provider->userdata);
}

static enum nx_verdict proxy_decide(struct session *session, struct nx_flow *flow)
{
        const struct nx_proxy_provider *functions = functions_of(session);

        if (!functions->handle_new_flow)
                return NX_VERDICT_DECLINE;
        return functions->handle_new_flow(&session->proxy, flow, session->provider->userdata);
}

static void proxy_handle_file(struct session *session, const char *name, const char *path, int fd)
{
        const struct nx_proxy_provider *functions = functions_of(session);

        if (functions->handle_file)
                functions->handle_file(&session->proxy, name, path, fd,
                                       session->provider->userdata);
}

static enum nx_verdict proxy_handle_peek(struct session *session, struct nx_flow *flow,
                                         const void *bytes, size_t size)
{
        const struct nx_proxy_provider *functions = functions_of(session);

        if (!functions->handle_peek)
                return NX_VERDICT_DECLINE;
        return functions->handle_peek(&session->proxy, flow, bytes, size,
                                      session->provider->userdata);
}

static void proxy_handle_open(struct session *session, struct nx_flow *flow, int fd)
{
        const struct nx_proxy_provider *functions = functions_of(session);

        if (functions->handle_open)
                functions->handle_open(&session->proxy, flow, fd, session->provider->userdata);
        else
                close_fd(fd);
}

static void proxy_handle_closed(struct session *session, struct nx_flow *flow,
                                const struct nx_flow_end *end)
{
        const struct nx_proxy_provider *functions = functions_of(session);

        if (functions->handle_closed)
                functions->handle_closed(&session->proxy, flow, end, session->provider->userdata);
}

static void proxy_applied(struct session *session, union applied_fn fn, int result, void *userdata)
{
        if (fn.proxy)
                fn.proxy(&session->proxy, result, userdata);
}

const struct session_role proxy_role = {
        .verdicts = "CLAIM, DECLINE, DROP, REFUSE, PEEK or PAUSE",
        .begins_with_settings = true,
        .verdict_is_known = proxy_verdict_is_known,
        .start = proxy_start,
        .stop = proxy_stop,
        .decide = proxy_decide,
        .handle_file = proxy_handle_file,
        .handle_peek = proxy_handle_peek,
        .handle_open = proxy_handle_open,
        .handle_closed = proxy_handle_closed,
        .applied = proxy_applied,
};

_public_ const char *nx_proxy_get_name(struct nx_proxy *proxy)
{
        return proxy->session->name;
}

_public_ void nx_proxy_report(struct nx_proxy *proxy, enum nx_level level, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        session_vreport(proxy->session, level, format, args);
        va_end(args);
}

_public_ int nx_proxy_settings_new(struct nx_proxy_settings **ret_settings, bool loopback)
{
        struct nx_proxy_settings *settings = malloc(sizeof(*settings));

        if (!settings)
                return -ENOMEM;
        settings_init(&settings->common, NX_FILTER_ACTION_ALLOW, loopback);
        settings->common.udp_idle_s = NX_UDP_IDLE_DEFAULT;
        settings->n_excluded = 0;
        *ret_settings = settings;
        return 0;
}

_public_ struct nx_proxy_settings *nx_proxy_settings_free(struct nx_proxy_settings *settings)
{
        if (!settings)
                return NULL;
        settings_deinit(&settings->common);
        free(settings);
        return NULL;
}

static int insert_rule(struct nx_proxy_settings *settings, size_t index,
                       enum nx_filter_action action, const struct nx_rule *rule)
{
        if (rule && rule->direction == NX_DIRECTION_INBOUND)
                return -EINVAL;
        return settings_insert_rule(&settings->common, index, action, rule);
}

_public_ int nx_proxy_settings_include(struct nx_proxy_settings *settings,
                                       const struct nx_rule *rule)
{
        return insert_rule(settings, settings->common.n_rules, NX_FILTER_ACTION_FILTER_DATA, rule);
}

_public_ int nx_proxy_settings_exclude(struct nx_proxy_settings *settings,
                                       const struct nx_rule *rule)
{
        int r;

        r = insert_rule(settings, settings->n_excluded, NX_FILTER_ACTION_ALLOW, rule);
        if (r >= 0)
                settings->n_excluded++;
        return r;
}

_public_ int nx_proxy_settings_set_udp_idle(struct nx_proxy_settings *settings, uint32_t seconds)
{
        if (seconds > NX_UDP_IDLE_MAX)
                return -EINVAL;
        settings->common.udp_idle_s = seconds;
        return 0;
}

_public_ int nx_proxy_apply(struct nx_proxy *proxy, const struct nx_proxy_settings *settings,
                            nx_proxy_applied_fn *fn, void *userdata)
{
        if (!settings)
                return -EINVAL;
        return session_apply(proxy->session, &settings->common, (union applied_fn){ .proxy = fn },
                             userdata);
}
