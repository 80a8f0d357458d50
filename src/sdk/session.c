/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netext-flowd starts and stops the provider and asks it about flows. A flow channel
 * that ends without a stop is a dead flowd: the run is over, its flows are stale, and
 * netextd will send another channel, over which the provider is started again.
 */

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "sdk/answers.h"
#include "sdk/ask.h"
#include "sdk/claim.h"
#include "sdk/inspect.h"
#include "sdk/kept.h"
#include "sdk/peek.h"
#include "sdk/provider.h"
#include "sdk/report.h"
#include "sdk/update.h"
#include "sdk/verdict.h"

#define KEPT_BUCKETS   64
#define DRAIN_PAUSE_NS 20000000ULL

static struct session_run *session_run_new(struct session *session)
{
        struct session_run *run = malloc(sizeof(*run));

        if (!run)
                return NULL;
        *run = (struct session_run){ .n_refs = 1, .session = session };
        if (htable_init(&run->kept, KEPT_BUCKETS) < 0)
                return session_run_unref(run);
        return run;
}

struct session_run *session_run_ref(struct session_run *run)
{
        run->n_refs++;
        return run;
}

struct session_run *session_run_unref(struct session_run *run)
{
        if (!run || --run->n_refs > 0)
                return NULL;
        htable_deinit(&run->kept);
        free(run);
        return NULL;
}

/* Ends the run without a word to the extension. */
static void session_end_run(struct session *session)
{
        struct session_run *run = take_ptr(session->run);

        run->session = NULL;
        kept_end_all(run);
        asks_end_session(session);
        session_run_unref(run);
}

/* What is kept is stale when the extension hears of the stop, but still there. */
static void session_stop(struct session *session, enum nx_provider_stop_reason reason)
{
        lanes_stop(&session->lanes, session);
        if (!session->run)
                return;
        session->run->session = NULL;
        update_cancel_all(session);
        session->role->stop(session, reason);
        session_end_run(session);
}

static void disconnect(struct session *session)
{
        peer_close(&session->engine);
        inspect_forget_memory(session);
}

static int send_started(struct session *session, int result, const char *text)
{
        struct channel *channel = &session->engine.channel;
        struct wire_writer *started;

        started = channel_begin(channel, NX_MSG_ENGINE_STARTED, 0);
        wire_put(started, WIRE_ATTR_VERSION, WIRE_VERSION);
        wire_put(started, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        wire_put_string(started, WIRE_ATTR_TEXT, text);
        return channel_end(channel);
}

static int refuse_start(struct session *session, int result, const char *text)
{
        session->provider->did_not_start = true;
        return send_started(session, result, text);
}

static int refuse_kind(struct session *session, enum nx_provider_kind kind)
{
        const char *extension = session->provider->extension.identifier;
        const char *wanted = wire_name_to_string(wire_kinds, kind);
        char text[256];

        if (provider_kinds(session->provider) >> kind & 1)
                snprintf(text, sizeof(text), "Session %s of %s runs as %s already, not as %s",
                         session->name, extension, wire_name_to_string(wire_kinds, session->kind),
                         wanted);
        else
                snprintf(text, sizeof(text),
                         "%s is no %s: its struct nx_extension has no function for one", extension,
                         wanted);
        return refuse_start(session, -EPROTONOSUPPORT, text);
}

static void session_become(struct session *session, enum nx_provider_kind kind)
{
        static const struct session_role *const roles[] = {
                [NX_PROVIDER_KIND_FILTER] = &filter_role,
                [NX_PROVIDER_KIND_TRANSPARENT_PROXY] = &proxy_role,
                [NX_PROVIDER_KIND_APP_PROXY] = &proxy_role,
                [NX_PROVIDER_KIND_PACKET_FILTER] = &packet_filter_role,
        };

        session->kind = kind;
        session->role = roles[kind];
}

static int session_start(struct session *session)
{
        int r;

        session->run = session_run_new(session);
        if (!session->run)
                return send_started(session, -ENOMEM, strerror(ENOMEM));

        r = session->role->start(session);
        session->provider->did_not_start = r < 0;
        if (r >= 0)
                return send_started(session, 0, NULL);
        session_end_run(session);
        return send_started(session, r,
                            session->last_report[0] ? session->last_report : strerror(-r));
}

static int handle_start(struct session *session, const struct wire_message *message)
{
        enum nx_provider_kind kind = (enum nx_provider_kind)wire_get(message, WIRE_ATTR_KIND);
        int r = 0;

        if (session->run)
                return provider_fail_message(session->provider, "netext-flowd", message->type);
        if (wire_get(message, WIRE_ATTR_VERSION) != WIRE_VERSION)
                return refuse_start(session, -EPROTONOSUPPORT,
                                    "The extension was built with another version of libnetext "
                                    "than netext-flowd speaks; rebuild it");
        if (!(provider_kinds(session->provider) >> kind & 1) ||
            (session->kind && session->kind != kind))
                return refuse_kind(session, kind);
        if (!session->kind) {
                session_become(session, kind);
                r = session_apply_again(session);
                session_hand_files(session);
        }
        return r < 0 ? r : session_start(session);
}

static int handle_stop(struct session *session, const struct wire_message *message)
{
        struct channel *channel = &session->engine.channel;

        session->provider->was_stopped = session->is_over = true;
        session_stop(session, (enum nx_provider_stop_reason)wire_get(message, WIRE_ATTR_COUNT));
        channel_begin(channel, NX_MSG_ENGINE_STOPPED, 0);
        return channel_end(channel);
}

bool session_is_drained(struct session *session)
{
        if (!handed_is_any_open(&session->handed))
                return true;
        loop_timer_start(&session->provider->loop, &session->drain_timer,
                         now_ns() + DRAIN_PAUSE_NS);
        return false;
}

/* Another process decides about new flows. flowd has none of ours any more, but it does not know
 * of those whose sockets the extension has; nor the next one, whom we do not talk to. */
static int on_drain_pause_over(void *userdata)
{
        struct session *session = userdata;
        struct channel *channel = &session->engine.channel;

        if (!session_is_connected(session)) {
                provider_tell_drained(session->provider);
                return 0;
        }
        if (!session_is_drained(session))
                return 0;
        channel_begin(channel, NX_MSG_ENGINE_DRAINED, 0);
        return channel_end(channel);
}

static int unexpected(struct session *session, const struct wire_message *message)
{
        return provider_fail_message(session->provider, "netext-flowd", message->type);
}

/* Who only waits for a flow's first bytes does not hear of its end. */
static int handle_closed(struct session *session, const struct wire_message *message)
{
        _cleanup_(cleanup_flow) struct nx_flow *flow = NULL;
        enum flow_state state;
        bool was_paused;

        flow = kept_find(session, message);
        if (!flow)
                return 0;
        nx_flow_ref(flow);
        state = flow->state;
        was_paused = state == FLOW_PAUSED && !flow->question; /* a question is ours to withdraw */
        if (state == FLOW_REPORTED)
                return 0; /* the last report says so */
        kept_end(flow, FLOW_OVER);
        ask_forget(flow);
        if (flow->wants_reports && (state == FLOW_INSPECTED || state == FLOW_SETTLED))
                kept_begin(flow, FLOW_REPORTED);
        if (state == FLOW_CLAIMED || (was_paused && session->role == &proxy_role))
                claim_handle_closed(session, flow, message);
        if (state == FLOW_INSPECTED || state == FLOW_SETTLED ||
            (was_paused && session->role == &filter_role))
                inspect_handle_closed(session, flow);
        return 0;
}

static int handle_proxy_message(struct session *session, const struct wire_message *message,
                                int *fd)
{
        if (session->role != &proxy_role)
                return unexpected(session, message);
        return message->type == NX_MSG_PROVIDER_FLOW_SOCKET
                       ? claim_handle_socket(session, message, fd)
                       : peek_handle_bytes(session, message);
}

static int handle_filter_message(struct session *session, const struct wire_message *message,
                                 int *fd)
{
        if (session->role != &filter_role)
                return unexpected(session, message);
        if (message->type == NX_MSG_PROVIDER_MEMORY)
                return inspect_handle_memory(session, *fd);
        if (message->type == NX_MSG_PROVIDER_FLOW_REPORT)
                return report_handle(session, message);
        return message->type == NX_MSG_PROVIDER_FLOW_DATA
                       ? inspect_handle_bytes(session, message)
                       : inspect_handle_complete(session, message);
}

static int handle_lane(struct session *session, int *fd)
{
        int r = lanes_add(&session->lanes, session, take_fd(fd));

        if (r < 0)
                return provider_fail(session->provider, r, "No thread for packets can be begun: %s",
                                     strerror(-r));
        return 0;
}

static int handle_packet_filter_message(struct session *session, const struct wire_message *message,
                                        int *fd)
{
        if (session->role != &packet_filter_role || !session->run)
                return unexpected(session, message);
        return handle_lane(session, fd);
}

static int handle_message(struct session *session, const struct wire_message *message, int *fd)
{
        switch (message->type) {
        case NX_MSG_PROVIDER_START:
                return handle_start(session, message);
        case NX_MSG_PROVIDER_STOP:
                return handle_stop(session, message);
        case NX_MSG_PROVIDER_DRAIN:
                return on_drain_pause_over(session);
        case NX_MSG_PROVIDER_FLOW_NEW:
                return session->role == &packet_filter_role ? unexpected(session, message)
                                                            : verdict_ask(session, message);
        case NX_MSG_PROVIDER_FLOW_SOCKET:
        case NX_MSG_PROVIDER_FLOW_PEEKED:
                return handle_proxy_message(session, message, fd);
        case NX_MSG_PROVIDER_MEMORY:
        case NX_MSG_PROVIDER_FLOW_REPORT:
        case NX_MSG_PROVIDER_FLOW_DATA:
        case NX_MSG_PROVIDER_FLOW_COMPLETE:
                return handle_filter_message(session, message, fd);
        case NX_MSG_PROVIDER_PACKET_LANE:
                return handle_packet_filter_message(session, message, fd);
        case NX_MSG_PROVIDER_FLOW_CLOSED:
                return handle_closed(session, message);
        case NX_MSG_PROVIDER_FLOW_UPDATED:
                return update_handle_done(session, message);
        case NX_MSG_PROVIDER_SETTINGS_DONE:
                return session_apply_done(session, message->id,
                                          wire_get_i32(message, WIRE_ATTR_RESULT));
        default:
                return unexpected(session, message);
        }
}

/* An error that nobody spoke for is that of an answer which could not be sent. */
static int session_on_message(const struct wire_message *message, int *fd, void *userdata)
{
        struct session *session = userdata;
        int r;

        r = handle_message(session, message, fd);
        if (r >= 0 || peer_is_gone(r))
                return 0;
        return provider_fail(session->provider, r, "Answering netext-flowd failed: %s",
                             strerror(-r));
}

static int session_on_io(uint32_t events, void *userdata)
{
        struct session *session = userdata;
        int r;

        r = provider_receive(session->provider, &session->engine, "netext-flowd",
                             session_on_message, session);
        if (r != PROVIDER_PEER_GONE)
                return r;
        disconnect(session);
        session_stop(session, NX_PROVIDER_STOP_INTERNAL_ERROR);
        provider_tell_drained(session->provider);
        return 0;
}

static struct session *session_new(struct nx_provider *provider, const char *name)
{
        uint32_t kinds = provider_kinds(provider);
        struct session *session = malloc(sizeof(*session));

        if (!session)
                return NULL;
        *session = (struct session){
                .provider = provider,
                .name = strdup(name),
                .filter = { .session = session },
                .proxy = { .session = session },
                .packet_filter = { .session = session },
                .lanes = LANES_NULL,
                .engine = PEER_NULL,
        };
        list_init(&session->link);
        list_init(&session->applies);
        list_init(&session->updates);
        list_init(&session->files);
        list_init(&session->answers);
        list_init(&session->coming_answers);
        loop_timer_init(&session->drain_timer, on_drain_pause_over, session);
        if (!session->name)
                return session_free(session, NX_PROVIDER_STOP_NONE);
        /* One of several kinds is chosen by the start. */
        if ((kinds & (kinds - 1)) == 0)
                session_become(session, (enum nx_provider_kind)__builtin_ctz(kinds));
        list_append(&provider->sessions, &session->link);
        return session;
}

struct session *session_get(struct nx_provider *provider, const char *name)
{
        struct session *session;

        list_for_each (session, &provider->sessions, link)
                if (strcmp(session->name, name) == 0)
                        return session;
        return session_new(provider, name);
}

struct session *session_free(struct session *session, enum nx_provider_stop_reason reason)
{
        session_stop(session, reason);
        (void)peer_flush(&session->engine);
        disconnect(session);
        list_remove(&session->link);
        session_apply_cancel(session);
        session_drop_files(session);
        answers_deinit(session);
        loop_timer_stop(&session->drain_timer);
        handed_deinit(&session->handed);
        settings_free(session->settings);
        free(session->spare);
        free(session->name);
        free(session);
        return NULL;
}

int session_connect(struct session *session, int fd)
{
        struct nx_provider *provider = session->provider;
        _cleanup_fd_ int engine_fd = fd;
        int r;

        disconnect(session);
        session_stop(session, NX_PROVIDER_STOP_INTERNAL_ERROR);
        provider->was_stopped = session->is_over = false;
        r = peer_open(&session->engine, &provider->loop, take_fd(&engine_fd), session_on_io,
                      session);
        if (r < 0)
                return provider_fail(provider, r, "Cannot use the flow channel: %s", strerror(-r));
        return session_apply_again(session);
}

void session_report(struct session *session, enum nx_level level, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        session_vreport(session, level, format, args);
        va_end(args);
}

void session_vreport(struct session *session, enum nx_level level, const char *format, va_list args)
{
        vsnprintf(session->last_report, sizeof(session->last_report), format, args);
        for (char *c = session->last_report; *c; c++)
                if (*c == '\n' || *c == '\r')
                        *c = ' ';
        control_report(&session->provider->control, level, session->name, session->last_report);
}
