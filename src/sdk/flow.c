/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Flows are made and forgotten tens of thousands of times a second. Each is one block
 * with its strings at the end, some 200 bytes, which are cheaper to copy than to
 * decide about; a block that was let go waits in session->spare for the next flow, so
 * that nothing is allocated until an extension keeps one. Addresses become text only
 * when asked for.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <netext/proxy.h>

#include "sdk/flow.h"
#include "sdk/kept.h"
#include "sdk/package.h"
#include "sdk/provider.h"
#include "sdk/public.h"
#include "sdk/tunnel.h"

static const enum wire_attribute text_attributes[] = {
        [FLOW_REMOTE_NAME] = WIRE_ATTR_REMOTE_NAME,
        [FLOW_PROGRAM] = WIRE_ATTR_PROGRAM,
        [FLOW_PROGRAM_DIGEST] = WIRE_ATTR_PROGRAM_DIGEST,
        [FLOW_PROGRAM_SIGNER] = WIRE_ATTR_SIGNER,
        [FLOW_COMMAND_LINE] = WIRE_ATTR_COMMAND_LINE,
        [FLOW_PARENTS] = WIRE_ATTR_PARENTS,
        [FLOW_RESPONSIBLE_PROGRAM] = WIRE_ATTR_RESPONSIBLE_PROGRAM,
        [FLOW_CGROUP] = WIRE_ATTR_CGROUP,
        [FLOW_UNIT] = WIRE_ATTR_UNIT,
        [FLOW_CONTAINER] = WIRE_ATTR_CONTAINER,
        [FLOW_CREATOR_PROGRAM] = WIRE_ATTR_CREATOR_PROGRAM,
        [FLOW_ORIGIN_PROGRAM] = WIRE_ATTR_ORIGIN_PROGRAM,
        [FLOW_ORIGIN_PROGRAM_DIGEST] = WIRE_ATTR_ORIGIN_DIGEST,
        [FLOW_ORIGIN_PROGRAM_SIGNER] = WIRE_ATTR_ORIGIN_SIGNER,
        [FLOW_ORIGIN_CGROUP] = WIRE_ATTR_ORIGIN_CGROUP,
        [FLOW_RULE] = WIRE_ATTR_RULE,
};

/* The owner's attributes; for a flow without a known program they say nothing. */
static const bool is_about_owner[_FLOW_TEXT_MAX] = {
        [FLOW_PROGRAM] = true,        [FLOW_PROGRAM_DIGEST] = true,
        [FLOW_PROGRAM_SIGNER] = true, [FLOW_COMMAND_LINE] = true,
        [FLOW_PARENTS] = true,        [FLOW_RESPONSIBLE_PROGRAM] = true,
        [FLOW_CGROUP] = true,         [FLOW_UNIT] = true,
        [FLOW_CONTAINER] = true,      [FLOW_CREATOR_PROGRAM] = true,
};

static size_t measure_texts(const struct wire_message *message,
                            size_t ret_sizes[static _FLOW_TEXT_MAX])
{
        size_t total = 0;

        for (int i = 0; i < _FLOW_TEXT_MAX; i++) {
                const char *text = wire_get_string(message, text_attributes[i]);

                ret_sizes[i] = text ? strlen(text) + 1 : 0;
                total += ret_sizes[i];
        }
        return total;
}

static void copy_texts(struct nx_flow *flow, const struct wire_message *message,
                       const size_t sizes[static _FLOW_TEXT_MAX])
{
        char *to = flow->text;

        for (int i = 0; i < _FLOW_TEXT_MAX; i++) {
                flow->texts[i] = NULL;
                if (!sizes[i] || (is_about_owner[i] && !flow->is_attributed))
                        continue;
                flow->texts[i] = memcpy(to, wire_get_string(message, text_attributes[i]), sizes[i]);
                to += sizes[i];
        }
}

/* The spare block if it has room, else a new one. */
static struct nx_flow *allocate(struct session *session, size_t text_size)
{
        struct nx_flow *flow = take_ptr(session->spare);

        if (flow && flow->text_capacity >= text_size)
                return flow;
        free(flow);
        flow = malloc(sizeof(*flow) + text_size);
        if (flow)
                flow->text_capacity = text_size;
        return flow;
}

static void read_owner(struct nx_flow *flow, const struct wire_message *message)
{
        flow->is_attributed = wire_get(message, WIRE_ATTR_OWNER) == WIRE_OWNER_PROGRAM;
        flow->pid = flow->responsible_pid = flow->creator_pid = -1;
        flow->uid = UINT32_MAX;
        flow->process_started_ns = 0;
        flow->is_program_trusted = false;
        if (!flow->is_attributed)
                return;
        if (wire_has(message, WIRE_ATTR_PID))
                flow->pid = (int32_t)wire_get(message, WIRE_ATTR_PID);
        if (wire_has(message, WIRE_ATTR_RESPONSIBLE_PID))
                flow->responsible_pid = (int32_t)wire_get(message, WIRE_ATTR_RESPONSIBLE_PID);
        if (wire_has(message, WIRE_ATTR_CREATOR_PID))
                flow->creator_pid = (int32_t)wire_get(message, WIRE_ATTR_CREATOR_PID);
        if (wire_has(message, WIRE_ATTR_UID))
                flow->uid = (uint32_t)wire_get(message, WIRE_ATTR_UID);
        flow->process_started_ns = wire_get(message, WIRE_ATTR_PROCESS_STARTED_NS);
        flow->is_program_trusted = wire_get(message, WIRE_ATTR_PROGRAM_TRUSTED);
}

static void read_origin(struct nx_flow *flow, const struct wire_message *message)
{
        flow->origin_flow = wire_get(message, WIRE_ATTR_ORIGIN_FLOW);
        flow->origin_pid = -1;
        flow->origin_uid = UINT32_MAX;
        if (wire_has(message, WIRE_ATTR_ORIGIN_PID))
                flow->origin_pid = (int32_t)wire_get(message, WIRE_ATTR_ORIGIN_PID);
        if (wire_has(message, WIRE_ATTR_ORIGIN_UID))
                flow->origin_uid = (uint32_t)wire_get(message, WIRE_ATTR_ORIGIN_UID);
        flow->is_origin_trusted = wire_get(message, WIRE_ATTR_ORIGIN_TRUSTED);
}

struct nx_flow *flow_new(struct session_run *run, const struct wire_message *message)
{
        size_t sizes[_FLOW_TEXT_MAX];
        struct nx_flow *flow;

        flow = allocate(run->session, measure_texts(message, sizes));
        if (!flow)
                return NULL;
        flow->n_refs = 1;
        flow->state = FLOW_ASKED;
        flow->way = FLOW_WAY_NONE;
        flow->upstream_fd = -1;
        flow->has_socket = false;
        flow->peek_bytes = 0;
        flow->peek_outbound = flow->peek_inbound = 0;
        flow->remember_s = 0;
        flow->wants_reports = false;
        flow->asked = NX_DIRECTION_ANY;
        flow->kept = (struct htable_link){};
        flow->question = NULL;
        flow->ask = NULL;
        list_init(&flow->asking);
        flow->reason = WIRE_REASON_NONE;
        flow->run = session_run_ref(run);
        flow->userdata = NULL;
        flow->identifier = wire_get(message, WIRE_ATTR_FLOW);
        flow->direction = (enum nx_direction)wire_get(message, WIRE_ATTR_DIRECTION);
        flow->protocol = (int)wire_get(message, WIRE_ATTR_PROTOCOL);
        flow->local.address = wire_get_address(message, WIRE_ATTR_LOCAL_ADDRESS);
        flow->local.port = (uint16_t)wire_get(message, WIRE_ATTR_LOCAL_PORT);
        flow->remote.address = wire_get_address(message, WIRE_ATTR_REMOTE_ADDRESS);
        flow->remote.port = (uint16_t)wire_get(message, WIRE_ATTR_REMOTE_PORT);
        flow->local_text[0] = flow->remote_text[0] = '\0';
        flow->started_ns = wire_get(message, WIRE_ATTR_STARTED_NS);
        flow->package = NULL;
        flow->was_asked_for_package = false;
        read_owner(flow, message);
        read_origin(flow, message);
        copy_texts(flow, message, sizes);
        return flow;
}

_public_ struct nx_flow *nx_flow_ref(struct nx_flow *flow)
{
        flow->n_refs++;
        return flow;
}

/* Nobody can answer it any more, and a paused flow has no timeout: its program must not hang. */
static void refuse_forgotten(struct nx_flow *flow)
{
        struct session *session = flow->run->session;

        (void)nx_flow_resume(flow, NX_VERDICT_REFUSE);
        session_report(session, NX_LEVEL_WARNING,
                       "Flow %llu was paused and let go without an answer; it is refused",
                       (unsigned long long)flow->identifier);
}

_public_ struct nx_flow *nx_flow_unref(struct nx_flow *flow)
{
        struct session *session;

        if (!flow || --flow->n_refs > 0)
                return NULL;
        session = flow->run->session;
        if (session && flow->state == FLOW_PAUSED)
                refuse_forgotten(flow);
        kept_end(flow, FLOW_OVER);
        free(take_ptr(flow->question));
        free(take_ptr(flow->package));
        flow->run = session_run_unref(flow->run);
        if (session && !session->spare)
                session->spare = flow;
        else
                free(flow);
        return NULL;
}

_public_ void nx_flow_set_userdata(struct nx_flow *flow, void *userdata)
{
        flow->userdata = userdata;
}

_public_ void *nx_flow_get_userdata(const struct nx_flow *flow)
{
        return flow->userdata;
}

_public_ uint64_t nx_flow_get_identifier(const struct nx_flow *flow)
{
        return flow->identifier;
}

_public_ enum nx_direction nx_flow_get_direction(const struct nx_flow *flow)
{
        return flow->direction;
}

_public_ int nx_flow_get_protocol(const struct nx_flow *flow)
{
        return flow->protocol;
}

_public_ int nx_flow_attach(struct nx_flow *flow, int fd)
{
        return nx_flow_attach_via(flow, fd, NX_EGRESS_NEXT, NULL);
}

_public_ int nx_flow_attach_via(struct nx_flow *flow, int fd, enum nx_egress egress,
                                const char *tunnel)
{
        struct {
                uint64_t flow;
                uint32_t tunnel;
        } value = { .flow = flow->identifier };
        socklen_t size = sizeof(value.flow);
        int r;

        if (egress < NX_EGRESS_NEXT || egress > NX_EGRESS_TUNNEL)
                return -EINVAL;
        if ((egress == NX_EGRESS_TUNNEL) != (tunnel != NULL))
                return -EINVAL;
        if (tunnel) {
                r = tunnel_find(tunnel, &value.tunnel);
                if (r < 0)
                        return r;
                size = sizeof(value);
        }
        if (setsockopt(fd, WIRE_ATTACH_LEVEL, (int)egress, &value, size) >= 0)
                return 0;
        return errno == ENOPROTOOPT ? -EOPNOTSUPP : -errno;
}

/* No flow is a constant: const in the API means that asking does not change what it says. */
static const char *text_once(const struct endpoint *endpoint, const char *text)
{
        return *text ? text : address_to_string(&endpoint->address, (char *)text);
}

_public_ const char *nx_flow_get_local_address(const struct nx_flow *flow)
{
        return text_once(&flow->local, flow->local_text);
}

_public_ uint16_t nx_flow_get_local_port(const struct nx_flow *flow)
{
        return flow->local.port;
}

_public_ const char *nx_flow_get_remote_address(const struct nx_flow *flow)
{
        return text_once(&flow->remote, flow->remote_text);
}

_public_ uint16_t nx_flow_get_remote_port(const struct nx_flow *flow)
{
        return flow->remote.port;
}

_public_ const char *nx_flow_get_remote_hostname(const struct nx_flow *flow)
{
        return flow->texts[FLOW_REMOTE_NAME];
}

_public_ uint64_t nx_flow_get_started_ns(const struct nx_flow *flow)
{
        return flow->started_ns;
}

_public_ const char *nx_flow_get_rule(const struct nx_flow *flow)
{
        return flow->texts[FLOW_RULE];
}

_public_ bool nx_flow_is_attributed(const struct nx_flow *flow)
{
        return flow->is_attributed;
}

_public_ int32_t nx_flow_get_pid(const struct nx_flow *flow)
{
        return flow->pid;
}

_public_ uint64_t nx_flow_get_process_started_ns(const struct nx_flow *flow)
{
        return flow->process_started_ns;
}

_public_ uint32_t nx_flow_get_uid(const struct nx_flow *flow)
{
        return flow->uid;
}

_public_ const char *nx_flow_get_program(const struct nx_flow *flow)
{
        return flow->texts[FLOW_PROGRAM];
}

_public_ const char *nx_flow_get_program_digest(const struct nx_flow *flow)
{
        return flow->texts[FLOW_PROGRAM_DIGEST];
}

_public_ const char *nx_flow_get_program_signer(const struct nx_flow *flow)
{
        return flow->texts[FLOW_PROGRAM_SIGNER];
}

/* As with addresses: what was found out does not change what the flow says. */
_public_ const char *nx_flow_get_program_package(const struct nx_flow *flow)
{
        struct nx_flow *asked = (struct nx_flow *)flow;

        if (!flow->was_asked_for_package && flow->is_program_trusted && flow->texts[FLOW_PROGRAM])
                asked->package = package_of(PACKAGE_DATABASES, flow->texts[FLOW_PROGRAM]);
        asked->was_asked_for_package = true;
        return flow->package;
}

_public_ bool nx_flow_is_program_path_trusted(const struct nx_flow *flow)
{
        return flow->is_program_trusted;
}

_public_ const char *nx_flow_get_command_line(const struct nx_flow *flow)
{
        return flow->texts[FLOW_COMMAND_LINE];
}

_public_ const char *nx_flow_get_parents(const struct nx_flow *flow)
{
        return flow->texts[FLOW_PARENTS];
}

_public_ const char *nx_flow_get_responsible_program(const struct nx_flow *flow)
{
        return flow->texts[FLOW_RESPONSIBLE_PROGRAM];
}

_public_ int32_t nx_flow_get_responsible_pid(const struct nx_flow *flow)
{
        return flow->responsible_pid;
}

_public_ const char *nx_flow_get_cgroup(const struct nx_flow *flow)
{
        return flow->texts[FLOW_CGROUP];
}

_public_ const char *nx_flow_get_unit(const struct nx_flow *flow)
{
        return flow->texts[FLOW_UNIT];
}

_public_ const char *nx_flow_get_container(const struct nx_flow *flow)
{
        return flow->texts[FLOW_CONTAINER];
}

_public_ int32_t nx_flow_get_creator_pid(const struct nx_flow *flow)
{
        return flow->creator_pid;
}

_public_ const char *nx_flow_get_creator_program(const struct nx_flow *flow)
{
        return flow->texts[FLOW_CREATOR_PROGRAM];
}

_public_ uint64_t nx_flow_get_origin_flow(const struct nx_flow *flow)
{
        return flow->origin_flow;
}

_public_ const char *nx_flow_get_origin_program(const struct nx_flow *flow)
{
        return flow->texts[FLOW_ORIGIN_PROGRAM];
}

_public_ int32_t nx_flow_get_origin_pid(const struct nx_flow *flow)
{
        return flow->origin_pid;
}

_public_ uint32_t nx_flow_get_origin_uid(const struct nx_flow *flow)
{
        return flow->origin_uid;
}

_public_ const char *nx_flow_get_origin_cgroup(const struct nx_flow *flow)
{
        return flow->texts[FLOW_ORIGIN_CGROUP];
}

_public_ const char *nx_flow_get_origin_program_digest(const struct nx_flow *flow)
{
        return flow->texts[FLOW_ORIGIN_PROGRAM_DIGEST];
}

_public_ const char *nx_flow_get_origin_program_signer(const struct nx_flow *flow)
{
        return flow->texts[FLOW_ORIGIN_PROGRAM_SIGNER];
}

_public_ bool nx_flow_is_origin_program_path_trusted(const struct nx_flow *flow)
{
        return flow->is_origin_trusted;
}
