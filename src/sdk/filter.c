/* SPDX-License-Identifier: Apache-2.0 */

/* The content filter: the public names for what a session does, and its role in it. */

#include <errno.h>
#include <stdarg.h>

#include "sdk/provider.h"
#include "sdk/public.h"

struct nx_filter_settings {
        struct settings common;
};

static const struct nx_filter_provider *functions_of(const struct session *session)
{
        return &session->provider->extension.filter;
}

static bool filter_verdict_is_known(enum nx_verdict verdict)
{
        return verdict == NX_VERDICT_ALLOW || verdict == NX_VERDICT_DROP ||
               verdict == NX_VERDICT_REFUSE || verdict == NX_VERDICT_FILTER_DATA;
}

static int filter_start(struct session *session)
{
        const struct nx_filter_provider *functions = functions_of(session);

        if (!functions->start_filter)
                return 0;
        return functions->start_filter(&session->filter, session->provider->userdata);
}

static void filter_stop(struct session *session, enum nx_provider_stop_reason reason)
{
        const struct nx_filter_provider *functions = functions_of(session);

        if (functions->stop_filter)
                functions->stop_filter(&session->filter, reason, session->provider->userdata);
}

static enum nx_verdict filter_decide(struct session *session, struct nx_flow *flow)
{
        const struct nx_filter_provider *functions = functions_of(session);

        if (!functions->handle_new_flow)
                return NX_VERDICT_ALLOW;
        return functions->handle_new_flow(&session->filter, flow, session->provider->userdata);
}

static void filter_handle_file(struct session *session, const char *name, const char *path, int fd)
{
        const struct nx_filter_provider *functions = functions_of(session);

        if (functions->handle_file)
                functions->handle_file(&session->filter, name, path, fd,
                                       session->provider->userdata);
}

static void filter_applied(struct session *session, union applied_fn fn, int result, void *userdata)
{
        if (fn.filter)
                fn.filter(&session->filter, result, userdata);
}

const struct session_role filter_role = {
        .verdicts = "ALLOW, DROP, REFUSE, FILTER_DATA or PAUSE",
        .verdict_is_known = filter_verdict_is_known,
        .start = filter_start,
        .stop = filter_stop,
        .decide = filter_decide,
        .handle_file = filter_handle_file,
        .applied = filter_applied,
};

_public_ const char *nx_filter_get_name(struct nx_filter *filter)
{
        return filter->session->name;
}

_public_ void nx_filter_report(struct nx_filter *filter, enum nx_level level, const char *format,
                               ...)
{
        va_list args;

        va_start(args, format);
        session_vreport(filter->session, level, format, args);
        va_end(args);
}

static bool action_is_known(enum nx_filter_action action)
{
        return action == NX_FILTER_ACTION_ALLOW || action == NX_FILTER_ACTION_DROP ||
               action == NX_FILTER_ACTION_FILTER_DATA;
}

_public_ int nx_filter_settings_new(struct nx_filter_settings **ret_settings,
                                    enum nx_filter_action default_action, bool loopback)
{
        struct nx_filter_settings *settings;

        if (!action_is_known(default_action))
                return -EINVAL;
        settings = malloc(sizeof(*settings));
        if (!settings)
                return -ENOMEM;
        settings_init(&settings->common, default_action, loopback);
        *ret_settings = settings;
        return 0;
}

_public_ struct nx_filter_settings *nx_filter_settings_free(struct nx_filter_settings *settings)
{
        if (!settings)
                return NULL;
        settings_deinit(&settings->common);
        free(settings);
        return NULL;
}

_public_ int nx_filter_settings_add_rule(struct nx_filter_settings *settings,
                                         enum nx_filter_action action, const struct nx_rule *rule)
{
        if (!action_is_known(action))
                return -EINVAL;
        return settings_insert_rule(&settings->common, settings->common.n_rules, action, rule);
}

_public_ int nx_filter_apply(struct nx_filter *filter, const struct nx_filter_settings *settings,
                             nx_filter_applied_fn *fn, void *userdata)
{
        if (!settings)
                return -EINVAL;
        return session_apply(filter->session, &settings->common, (union applied_fn){ .filter = fn },
                             userdata);
}
