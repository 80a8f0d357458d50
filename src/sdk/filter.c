/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netext-flowd starts and stops the filter and asks it about flows. A flow channel
 * that ends without a stop is a dead flowd: the run is over, its flows are stale, and
 * netextd will send another channel, over which the filter is started again.
 *
 * handle_flow_new() is the hot path: one datagram, no system call and, because a flow
 * is made from the one before, no allocation; the answers leave as one batch.
 */

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "sdk/filter-flow.h"
#include "sdk/filter-settings.h"
#include "sdk/provider.h"
#include "sdk/public.h"

static struct filter_run *filter_run_new(struct nx_filter *filter)
{
        struct filter_run *run = malloc(sizeof(*run));

        if (run)
                *run = (struct filter_run){ .n_refs = 1, .filter = filter };
        return run;
}

struct filter_run *filter_run_ref(struct filter_run *run)
{
        run->n_refs++;
        return run;
}

struct filter_run *filter_run_unref(struct filter_run *run)
{
        if (run && --run->n_refs == 0)
                free(run);
        return NULL;
}

/* Ends the run without a word to the extension. */
static void filter_end_run(struct nx_filter *filter)
{
        filter->run->filter = NULL;
        filter->run = filter_run_unref(filter->run);
}

static void filter_stop(struct nx_filter *filter, enum nx_provider_stop_reason reason)
{
        const struct nx_filter_provider *functions = &filter->provider->extension.filter;

        if (!filter->run)
                return;
        filter_end_run(filter);
        if (functions->stop_filter)
                functions->stop_filter(filter, reason, filter->provider->userdata);
}

static int send_started(struct nx_filter *filter, int result, const char *text)
{
        struct channel *channel = &filter->engine.channel;
        struct wire_writer *started;

        started = channel_begin(channel, NX_MSG_ENGINE_STARTED, 0);
        wire_put(started, WIRE_ATTR_VERSION, WIRE_VERSION);
        wire_put(started, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        wire_put_string(started, WIRE_ATTR_TEXT, text);
        return channel_end(channel);
}

static int handle_start(struct nx_filter *filter, const struct wire_message *message)
{
        const struct nx_filter_provider *functions = &filter->provider->extension.filter;
        int r = 0;

        if (filter->run)
                return provider_fail_message(filter->provider, "netext-flowd", message->type);
        if (wire_get(message, WIRE_ATTR_VERSION) != WIRE_VERSION)
                return send_started(filter, -EPROTONOSUPPORT,
                                    "The extension was built with another version of libnetext "
                                    "than netext-flowd speaks; rebuild it");
        filter->run = filter_run_new(filter);
        if (!filter->run)
                return send_started(filter, -ENOMEM, strerror(ENOMEM));

        if (functions->start_filter)
                r = functions->start_filter(filter, filter->provider->userdata);
        filter->provider->did_not_start = r < 0;
        if (r >= 0)
                return send_started(filter, 0, NULL);
        filter_end_run(filter);
        return send_started(filter, r, filter->last_report[0] ? filter->last_report : strerror(-r));
}

static int handle_stop(struct nx_filter *filter, const struct wire_message *message)
{
        struct channel *channel = &filter->engine.channel;

        filter->provider->was_stopped = true;
        filter_stop(filter, (enum nx_provider_stop_reason)wire_get(message, WIRE_ATTR_COUNT));
        channel_begin(channel, NX_MSG_ENGINE_STOPPED, 0);
        return channel_end(channel);
}

int filter_send_verdict(struct nx_filter *filter, uint64_t flow, enum nx_verdict verdict)
{
        struct channel *channel = &filter->engine.channel;
        struct wire_writer *answer;

        answer = channel_begin(channel, NX_MSG_ENGINE_VERDICT, 0);
        wire_put(answer, WIRE_ATTR_FLOW, flow);
        wire_put(answer, WIRE_ATTR_VERDICT, (uint64_t)verdict);
        return channel_end(channel);
}

static int handle_flow_new(struct nx_filter *filter, const struct wire_message *message)
{
        const struct nx_filter_provider *functions = &filter->provider->extension.filter;
        _cleanup_(cleanup_flow) struct nx_flow *flow = NULL;
        enum nx_verdict verdict = NX_VERDICT_ALLOW;

        if (!filter->run)
                return provider_fail_message(filter->provider, "netext-flowd", message->type);
        flow = filter_flow_new(filter->run, message);
        if (!flow)
                return provider_fail(filter->provider, -ENOMEM, "No memory for a flow");

        if (functions->handle_new_flow)
                verdict = functions->handle_new_flow(filter, flow, filter->provider->userdata);
        if (verdict != NX_VERDICT_PAUSE && !filter_verdict_is_final(verdict))
                return provider_fail(filter->provider, -EPROTO,
                                     "handle_new_flow returned %d; a verdict is ALLOW, DROP, "
                                     "REFUSE or PAUSE",
                                     (int)verdict);
        flow->is_paused = verdict == NX_VERDICT_PAUSE;
        return filter_send_verdict(filter, flow->identifier, verdict);
}

static int handle_message(struct nx_filter *filter, const struct wire_message *message)
{
        switch (message->type) {
        case NX_MSG_PROVIDER_START:
                return handle_start(filter, message);
        case NX_MSG_PROVIDER_STOP:
                return handle_stop(filter, message);
        case NX_MSG_PROVIDER_FLOW_NEW:
                return handle_flow_new(filter, message);
        case NX_MSG_PROVIDER_SETTINGS_DONE:
                return filter_apply_done(filter, message->id,
                                         wire_get_i32(message, WIRE_ATTR_RESULT));
        default:
                return provider_fail_message(filter->provider, "netext-flowd", message->type);
        }
}

/* An error that nobody spoke for is that of an answer which could not be sent. */
static int filter_on_message(const struct wire_message *message, int *fd, void *userdata)
{
        struct nx_provider *provider = userdata;
        int r;

        r = handle_message(&provider->filter, message);
        if (r >= 0 || peer_is_gone(r))
                return 0;
        return provider_fail(provider, r, "Answering netext-flowd failed: %s", strerror(-r));
}

static int filter_on_io(uint32_t events, void *userdata)
{
        struct nx_filter *filter = userdata;
        int r;

        r = provider_receive(filter->provider, &filter->engine, "netext-flowd", filter_on_message);
        if (r != PROVIDER_PEER_GONE)
                return r;
        peer_close(&filter->engine);
        filter_stop(filter, NX_PROVIDER_STOP_INTERNAL_ERROR);
        return 0;
}

void filter_init(struct nx_filter *filter, struct nx_provider *provider)
{
        *filter = (struct nx_filter){ .provider = provider, .engine = PEER_NULL };
        list_init(&filter->applies);
}

void filter_deinit(struct nx_filter *filter, enum nx_provider_stop_reason reason)
{
        filter_stop(filter, reason);
        (void)peer_flush(&filter->engine);
        peer_close(&filter->engine);
        filter_apply_cancel(filter);
        filter->settings = nx_filter_settings_free(filter->settings);
        free(take_ptr(filter->spare));
        free(take_ptr(filter->name));
}

int filter_connect(struct nx_filter *filter, const char *name, int fd)
{
        struct nx_provider *provider = filter->provider;
        _cleanup_fd_ int engine_fd = fd;
        char *copy;
        int r;

        copy = strdup(name);
        if (!copy)
                return provider_fail(provider, -ENOMEM, "No memory for a flow channel");
        peer_close(&filter->engine);
        filter_stop(filter, NX_PROVIDER_STOP_INTERNAL_ERROR);
        free(filter->name);
        filter->name = copy;
        provider->was_stopped = false;
        r = peer_open(&filter->engine, &provider->loop, take_fd(&engine_fd), filter_on_io, filter);
        if (r < 0)
                return provider_fail(provider, r, "Cannot use the flow channel: %s", strerror(-r));
        return filter_apply_again(filter);
}

void filter_handle_file(struct nx_filter *filter, const char *name, const char *path, int fd)
{
        const struct nx_filter_provider *functions = &filter->provider->extension.filter;

        if (functions->handle_file)
                functions->handle_file(filter, name, path ? path : name, fd,
                                       filter->provider->userdata);
}

_public_ const char *nx_filter_get_name(struct nx_filter *filter)
{
        return filter->name ? filter->name : filter->provider->extension.identifier;
}

_public_ void nx_filter_report(struct nx_filter *filter, enum nx_level level, const char *format,
                               ...)
{
        va_list args;

        va_start(args, format);
        vsnprintf(filter->last_report, sizeof(filter->last_report), format, args);
        va_end(args);
        for (char *c = filter->last_report; *c; c++)
                if (*c == '\n' || *c == '\r')
                        *c = ' ';
        control_report(&filter->provider->control, level, filter->last_report);
}
