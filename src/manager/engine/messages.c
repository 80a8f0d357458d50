/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The link to flowd, message by message. flowd is the more exposed of the two: what it
 * says is checked like anybody's, and a message that makes no sense ends the link.
 */

#include <errno.h>

#include "base/log.h"
#include "manager/engine/messages.h"
#include "manager/engine/request.h"
#include "manager/priv/executable.h"

static int receive_ready(struct engine *engine, const struct wire_message *message)
{
        uint64_t version = wire_get(message, WIRE_ATTR_VERSION);

        if (version != WIRE_VERSION) {
                log_error(
                        "netext-flowd speaks protocol version %llu, this netextd %d: install both "
                        "from the same release",
                        (unsigned long long)version, WIRE_VERSION);
                return -EPROTO;
        }
        if (engine->state == ENGINE_STARTING)
                engine_is_ready(engine, false);
        return 0;
}

static int receive_keep(struct engine *engine, int *fd)
{
        watchdog_stop(engine);
        close_fd(engine->queue_fd);
        engine->queue_fd = take_fd(fd);
        watchdog_start(engine);
        return 0;
}

static int receive_flow(struct engine *engine, const struct wire_message *message)
{
        if (message->id == 0)
                engine->listener->flow_event(message, engine->userdata);
        else
                engine_request_item(engine, message);
        return 0;
}

static void tell_executable(uint64_t request, int opened, void *userdata)
{
        _cleanup_fd_ int fd = opened;
        struct engine *engine = userdata;
        struct wire_writer *writer;

        if (!peer_is_open(&engine->peer))
                return;
        if (fd >= 0) {
                peer_begin(&engine->peer, NX_MSG_FLOWD_EXECUTABLE, request);
                (void)peer_send(&engine->peer, fd);
                return;
        }
        writer = peer_begin(&engine->peer, NX_MSG_FLOWD_EXECUTABLE_FAILED, request);
        wire_put(writer, WIRE_ATTR_RESULT, (uint32_t)opened);
        (void)peer_send(&engine->peer, -1);
}

static int receive_executable_open(struct engine *engine, const struct wire_message *message)
{
        pid_t pid = (pid_t)wire_get(message, WIRE_ATTR_PID);
        int r;

        r = executable_open(engine->event, message->id, pid, tell_executable, engine);
        if (r < 0)
                tell_executable(message->id, r, engine);
        return 0;
}

int engine_message(const struct wire_message *message, int *fd, void *userdata)
{
        struct engine *engine = userdata;

        switch (message->type) {
        case NX_MSG_MANAGER_READY:
                return receive_ready(engine, message);
        case NX_MSG_MANAGER_KEEP:
                return receive_keep(engine, fd);
        case NX_MSG_MANAGER_FLOW:
                return receive_flow(engine, message);
        case NX_MSG_MANAGER_STATUS:
        case NX_MSG_MANAGER_RULE:
                engine_request_item(engine, message);
                return 0;
        case NX_MSG_MANAGER_DONE:
                engine_request_done(engine, message->id, wire_get_i32(message, WIRE_ATTR_RESULT));
                return 0;
        case NX_MSG_MANAGER_SESSION_STATE:
        case NX_MSG_MANAGER_SESSION_DRAINED:
                engine->listener->session_state(message, engine->userdata);
                return 0;
        case NX_MSG_MANAGER_EXECUTABLE_OPEN:
                return receive_executable_open(engine, message);
        default:
                return -EPROTO;
        }
}

static bool is_ready(const struct engine *engine)
{
        return engine->state == ENGINE_READY && peer_is_open(&engine->peer);
}

int engine_add_session(struct engine *engine, const struct engine_session *session)
{
        struct wire_writer *writer;

        if (!is_ready(engine))
                return -ENOTCONN;
        writer = peer_begin(&engine->peer, NX_MSG_FLOWD_SESSION_ADD, 0);
        wire_put(writer, WIRE_ATTR_SESSION, session->slot);
        wire_put_string(writer, WIRE_ATTR_NAME, session->name);
        wire_put(writer, WIRE_ATTR_ORDER, (uint32_t)session->order);
        wire_put(writer, WIRE_ATTR_GRADE, session->grade);
        wire_put(writer, WIRE_ATTR_FAIL_POLICY, session->fail_policy);
        wire_put(writer, WIRE_ATTR_VERDICT_TIMEOUT_MS, session->verdict_timeout_ms);
        wire_put(writer, WIRE_ATTR_READY_TIMEOUT_MS, session->ready_timeout_ms);
        wire_put(writer, WIRE_ATTR_CGROUP_ID, session->cgroup_id);
        wire_put(writer, WIRE_ATTR_KIND, session->kind);
        return peer_send(&engine->peer, -1);
}

static int give_channel(struct engine *engine, enum wire_message_type type, unsigned int slot,
                        uint32_t run, bool may_inspect, int fd)
{
        struct wire_writer *writer;

        if (!is_ready(engine))
                return -ENOTCONN;
        writer = peer_begin(&engine->peer, type, 0);
        wire_put(writer, WIRE_ATTR_SESSION, slot);
        wire_put(writer, WIRE_ATTR_RUN, run);
        wire_put(writer, WIRE_ATTR_MAY_INSPECT, may_inspect);
        return peer_send(&engine->peer, fd);
}

int engine_give_channel(struct engine *engine, unsigned int slot, uint32_t run, bool may_inspect,
                        int fd)
{
        return give_channel(engine, NX_MSG_FLOWD_SESSION_CHANNEL, slot, run, may_inspect, fd);
}

int engine_give_successor(struct engine *engine, unsigned int slot, uint32_t run, bool may_inspect,
                          int fd)
{
        return give_channel(engine, NX_MSG_FLOWD_SESSION_SUCCESSOR, slot, run, may_inspect, fd);
}

int engine_turn_sessions(struct engine *engine, uint64_t slots, uint32_t run)
{
        struct wire_writer *writer;

        if (!is_ready(engine))
                return -ENOTCONN;
        writer = peer_begin(&engine->peer, NX_MSG_FLOWD_SESSIONS_TURN, 0);
        wire_put(writer, WIRE_ATTR_SLOTS, slots);
        wire_put(writer, WIRE_ATTR_RUN, run);
        return peer_send(&engine->peer, -1);
}

int engine_remove_session(struct engine *engine, unsigned int slot,
                          enum nx_provider_stop_reason reason)
{
        struct wire_writer *writer;

        if (!is_ready(engine))
                return -ENOTCONN;
        writer = peer_begin(&engine->peer, NX_MSG_FLOWD_SESSION_REMOVE, 0);
        wire_put(writer, WIRE_ATTR_SESSION, slot);
        wire_put(writer, WIRE_ATTR_COUNT, reason);
        return peer_send(&engine->peer, -1);
}

int engine_begin_set(struct engine *engine, const char *name)
{
        struct wire_writer *writer;

        if (!is_ready(engine))
                return -ENOTCONN;
        writer = peer_begin(&engine->peer, NX_MSG_FLOWD_SET_BEGIN, 0);
        wire_put_string(writer, WIRE_ATTR_NAME, name);
        return peer_send(&engine->peer, -1);
}

/* Entries are many: they leave by the batch. */
int engine_add_network(struct engine *engine, const struct in6_addr *network, uint8_t prefix)
{
        struct wire_writer *writer;

        if (!is_ready(engine))
                return -ENOTCONN;
        writer = peer_begin(&engine->peer, NX_MSG_FLOWD_SET_ENTRY, 0);
        wire_put_address(writer, WIRE_ATTR_REMOTE_ADDRESS, network);
        wire_put(writer, WIRE_ATTR_REMOTE_PREFIX, prefix);
        return channel_end(&engine->peer.channel);
}

int engine_add_domain(struct engine *engine, const char *domain)
{
        struct wire_writer *writer;

        if (!is_ready(engine))
                return -ENOTCONN;
        writer = peer_begin(&engine->peer, NX_MSG_FLOWD_SET_ENTRY, 0);
        wire_put_string(writer, WIRE_ATTR_DOMAIN, domain);
        return channel_end(&engine->peer.channel);
}

int engine_commit_set(struct engine *engine)
{
        if (!is_ready(engine))
                return -ENOTCONN;
        peer_begin(&engine->peer, NX_MSG_FLOWD_SET_COMMIT, 0);
        return peer_send(&engine->peer, -1);
}

int engine_remove_set(struct engine *engine, const char *name)
{
        struct wire_writer *writer;

        if (!is_ready(engine))
                return -ENOTCONN;
        writer = peer_begin(&engine->peer, NX_MSG_FLOWD_SET_REMOVE, 0);
        wire_put_string(writer, WIRE_ATTR_NAME, name);
        return peer_send(&engine->peer, -1);
}

int engine_keep_sets(struct engine *engine)
{
        if (!is_ready(engine))
                return -ENOTCONN;
        peer_begin(&engine->peer, NX_MSG_FLOWD_SETS_KEEP, 0);
        return peer_send(&engine->peer, -1);
}

int engine_add_signed_file(struct engine *engine, const char *signer, int fd)
{
        struct wire_writer *writer;

        if (!is_ready(engine))
                return -ENOTCONN;
        writer = peer_begin(&engine->peer, NX_MSG_FLOWD_SIGNED_FILE, 0);
        wire_put_string(writer, WIRE_ATTR_SIGNER, signer);
        return peer_send(&engine->peer, fd);
}

int engine_keep_signed_files(struct engine *engine)
{
        if (!is_ready(engine))
                return -ENOTCONN;
        peer_begin(&engine->peer, NX_MSG_FLOWD_SIGNED_FILES_KEEP, 0);
        return peer_send(&engine->peer, -1);
}

int engine_send_watch(struct engine *engine)
{
        struct wire_writer *writer = peer_begin(&engine->peer, NX_MSG_FLOWD_FLOW_WATCH, 0);

        wire_put(writer, WIRE_ATTR_ENABLE, engine->watching);
        return peer_send(&engine->peer, -1);
}

void engine_watch_flows(struct engine *engine, bool enable)
{
        if (engine->watching == enable)
                return;
        engine->watching = enable;
        if (is_ready(engine))
                (void)engine_send_watch(engine);
}

int engine_send_quit(struct engine *engine)
{
        peer_begin(&engine->peer, NX_MSG_FLOWD_QUIT, 0);
        return peer_send(&engine->peer, -1);
}
