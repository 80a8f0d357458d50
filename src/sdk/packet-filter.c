/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The packet filter: the public names for what a session does, and its role in it. It is asked
 * about no flow; its packets come to threads of their own, see sdk/lane.h.
 */

#include <errno.h>
#include <stdarg.h>

#include "sdk/provider.h"
#include "sdk/public.h"

struct nx_packet_filter_settings {
        struct settings common;
};

static const struct nx_packet_filter_provider *functions_of(const struct session *session)
{
        return &session->provider->extension.packet_filter;
}

static int packet_filter_start(struct session *session)
{
        const struct nx_packet_filter_provider *functions = functions_of(session);

        if (!functions->start_filter)
                return 0;
        return functions->start_filter(&session->packet_filter, session->provider->userdata);
}

static void packet_filter_stop(struct session *session, enum nx_provider_stop_reason reason)
{
        const struct nx_packet_filter_provider *functions = functions_of(session);

        if (functions->stop_filter)
                functions->stop_filter(&session->packet_filter, reason,
                                       session->provider->userdata);
}

static void packet_filter_handle_file(struct session *session, const char *name, const char *path,
                                      int fd)
{
        const struct nx_packet_filter_provider *functions = functions_of(session);

        if (functions->handle_file)
                functions->handle_file(&session->packet_filter, name, path, fd,
                                       session->provider->userdata);
}

static void packet_filter_applied(struct session *session, union applied_fn fn, int result,
                                  void *userdata)
{
        if (fn.packet_filter)
                fn.packet_filter(&session->packet_filter, result, userdata);
}

const struct session_role packet_filter_role = {
        .start = packet_filter_start,
        .stop = packet_filter_stop,
        .handle_file = packet_filter_handle_file,
        .applied = packet_filter_applied,
};

_public_ const char *nx_packet_filter_get_name(struct nx_packet_filter *filter)
{
        return filter->session->name;
}

_public_ void nx_packet_filter_report(struct nx_packet_filter *filter, enum nx_level level,
                                      const char *format, ...)
{
        va_list args;

        va_start(args, format);
        session_vreport(filter->session, level, format, args);
        va_end(args);
}

_public_ int nx_packet_filter_settings_new(struct nx_packet_filter_settings **ret_settings,
                                           bool loopback)
{
        struct nx_packet_filter_settings *settings = malloc(sizeof(*settings));

        if (!settings)
                return -ENOMEM;
        settings_init(&settings->common, NX_FILTER_ACTION_ALLOW, loopback);
        *ret_settings = settings;
        return 0;
}

_public_ struct nx_packet_filter_settings *
nx_packet_filter_settings_free(struct nx_packet_filter_settings *settings)
{
        if (!settings)
                return NULL;
        settings_deinit(&settings->common);
        free(settings);
        return NULL;
}

_public_ int nx_packet_filter_settings_add_rule(struct nx_packet_filter_settings *settings,
                                                const struct nx_packet_rule *rule)
{
        return settings_add_packet_rule(&settings->common, rule);
}

_public_ int nx_packet_filter_apply(struct nx_packet_filter *filter,
                                    const struct nx_packet_filter_settings *settings,
                                    nx_packet_filter_applied_fn *fn, void *userdata)
{
        if (!settings)
                return -EINVAL;
        return session_apply(filter->session, &settings->common,
                             (union applied_fn){ .packet_filter = fn }, userdata);
}
