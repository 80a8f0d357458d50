/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Times inside flowd are CLOCK_BOOTTIME; people get CLOCK_REALTIME. The distance of the
 * two clocks is kept until somebody sets the time, so that the times of a flow are in the
 * order in which things happened.
 */

#include <stdlib.h>
#include <time.h>

#include "base/loop.h"
#include "flow/record.h"
#include "flow/sender.h"
#include "names/names.h"
#include "owner/owner.h"

#define CLOCK_WAS_SET_NS 1000000

static uint64_t to_realtime(uint64_t boot_ns)
{
        static int64_t distance_ns;
        struct timespec ts;
        int64_t distance_now_ns;

        clock_gettime(CLOCK_REALTIME, &ts);
        distance_now_ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - (int64_t)now_ns();
        if (llabs(distance_now_ns - distance_ns) > CLOCK_WAS_SET_NS)
                distance_ns = distance_now_ns;
        return boot_ns + (uint64_t)distance_ns;
}

static void put_time(struct wire_writer *writer, enum wire_attribute attribute, uint64_t boot_ns)
{
        if (boot_ns)
                wire_put(writer, attribute, to_realtime(boot_ns));
}

static void put_program(struct wire_writer *writer, const struct process *process,
                        struct owners *owners)
{
        wire_put(writer, WIRE_ATTR_PID, process->key.tgid);
        wire_put(writer, WIRE_ATTR_PROCESS_STARTED_NS, process->key.start_ns);
        wire_put_string(writer, WIRE_ATTR_PROGRAM, process->program);
        wire_put_string(writer, WIRE_ATTR_PROGRAM_DIGEST, process->digest_text);
        wire_put_string(writer, WIRE_ATTR_SIGNER, signers_find(&owners->signers, &process->file));
        wire_put(writer, WIRE_ATTR_PROGRAM_DEVICE, process->device);
        wire_put(writer, WIRE_ATTR_PROGRAM_INODE, process->inode);
        wire_put(writer, WIRE_ATTR_PROGRAM_TRUSTED, process->is_path_trusted);
        wire_put_string(writer, WIRE_ATTR_COMM, process->comm);
        wire_put_string(writer, WIRE_ATTR_COMMAND_LINE, process->command_line);
        wire_put_string(writer, WIRE_ATTR_PARENTS, process->parents);
        wire_put_string(writer, WIRE_ATTR_RESPONSIBLE_PROGRAM,
                        process->responsible ? process->responsible : process->program);
        wire_put(writer, WIRE_ATTR_RESPONSIBLE_PID, process->responsible_pid);
}

static void put_cgroup(struct wire_writer *writer, const struct cgroup_record *cgroup)
{
        if (!cgroup)
                return;
        wire_put_string(writer, WIRE_ATTR_CGROUP, cgroup->path);
        if (*cgroup->unit)
                wire_put_string(writer, WIRE_ATTR_UNIT, cgroup->unit);
        if (*cgroup->container)
                wire_put_string(writer, WIRE_ATTR_CONTAINER, cgroup->container);
}

static void put_owner(struct wire_writer *writer, const struct flow *flow, struct owners *owners)
{
        wire_put(writer, WIRE_ATTR_OWNER, flow->owner);
        if (flow->owner == WIRE_OWNER_UNATTRIBUTED)
                return;
        if (flow->is_owner_holder)
                wire_put(writer, WIRE_ATTR_OWNER_IS_HOLDER, true);
        wire_put(writer, WIRE_ATTR_UID, flow->uid);
        put_cgroup(writer, owners_get_cgroup(owners, flow->cgroup_id));
        if (flow->process)
                put_program(writer, flow->process, owners);
}

/* On whose behalf, where the owner sends somebody else's bytes on. */
static void put_origin(struct wire_writer *writer, const struct flow *flow, struct owners *owners)
{
        wire_put(writer, WIRE_ATTR_ORIGIN_FLOW, flow->origin_flow);
        if (!flow->origin)
                return;
        wire_put(writer, WIRE_ATTR_ORIGIN_UID, flow->origin_uid);
        wire_put_string(writer, WIRE_ATTR_ORIGIN_CGROUP,
                        owners_cgroup_path(owners, flow->origin_cgroup_id));
        wire_put_string(writer, WIRE_ATTR_ORIGIN_PROGRAM, flow->origin->program);
        wire_put(writer, WIRE_ATTR_ORIGIN_TRUSTED, flow->origin->is_path_trusted);
        wire_put_string(writer, WIRE_ATTR_ORIGIN_DIGEST, flow->origin->digest_text);
        wire_put_string(writer, WIRE_ATTR_ORIGIN_SIGNER,
                        signers_find(&owners->signers, &flow->origin->file));
        wire_put(writer, WIRE_ATTR_ORIGIN_PID, flow->origin->key.tgid);
}

/* Who asked a resolver of this host for what it asks for here: as far as one can guess. */
static void put_asker(struct wire_writer *writer, const struct flow *flow)
{
        wire_put_string(writer, WIRE_ATTR_HINT_ON_BEHALF_OF, flow->asker->program);
        wire_put(writer, WIRE_ATTR_HINT_ON_BEHALF_OF_PID, flow->asker->key.tgid);
        wire_put(writer, WIRE_ATTR_HINT_ON_BEHALF_OF_SEVERAL, flow->has_several_askers);
}

static void put_creator(struct wire_writer *writer, const struct process *creator)
{
        wire_put(writer, WIRE_ATTR_CREATOR_PID, creator->key.tgid);
        wire_put(writer, WIRE_ATTR_CREATOR_STARTED_NS, creator->key.start_ns);
        wire_put_string(writer, WIRE_ATTR_CREATOR_PROGRAM, creator->program);
}

void record_put_sender(struct wire_writer *writer, const struct flow *flow, struct owners *owners)
{
        struct process *now = flow->closed_ns ? NULL : sender_find(owners, flow);
        const struct process *sender = now ? now : flow->last_sender;

        if (!sender)
                return;
        wire_put(writer, WIRE_ATTR_LAST_SENDER_PID, sender->key.tgid);
        wire_put_string(writer, WIRE_ATTR_LAST_SENDER_PROGRAM, sender->program);
        owners_put_process(owners, now);
}

/* A denied connect() never got a local end, a denied sendto() only a port. */
static void put_local(struct wire_writer *writer, const struct flow *flow)
{
        bool is_held = flow->verdict == NX_VERDICT_NONE;

        if (is_held || !IN6_IS_ADDR_UNSPECIFIED(&flow->local.address))
                wire_put_address(writer, WIRE_ATTR_LOCAL_ADDRESS, &flow->local.address);
        if (is_held || flow->local.port)
                wire_put(writer, WIRE_ATTR_LOCAL_PORT, flow->local.port);
}

void record_put_identity(struct wire_writer *writer, const struct flow *flow, struct owners *owners,
                         struct names *names)
{
        wire_put(writer, WIRE_ATTR_FLOW, flow->id);
        wire_put(writer, WIRE_ATTR_PROTOCOL, flow->protocol);
        wire_put(writer, WIRE_ATTR_DIRECTION, flow->direction);
        put_local(writer, flow);
        wire_put_address(writer, WIRE_ATTR_REMOTE_ADDRESS, &flow->remote.address);
        wire_put(writer, WIRE_ATTR_REMOTE_PORT, flow->remote.port);
        wire_put_string(writer, WIRE_ATTR_REMOTE_NAME, names_find(names, &flow->remote.address));
        put_owner(writer, flow, owners);
        if (flow->creator)
                put_creator(writer, flow->creator);
        if (flow->origin_flow)
                put_origin(writer, flow, owners);
        if (*flow->bound_to)
                wire_put_string(writer, WIRE_ATTR_INTERFACE, flow->bound_to);
        if (flow->is_older)
                wire_put(writer, WIRE_ATTR_OLDER, true);
        if (flow->asker)
                put_asker(writer, flow);
        put_time(writer, WIRE_ATTR_STARTED_NS, flow->started_ns);
}

void record_put_decision(struct wire_writer *writer, const struct flow *flow)
{
        wire_put(writer, WIRE_ATTR_FLOW_STATE, flow_state(flow));
        wire_put(writer, WIRE_ATTR_VERDICT, flow->verdict);
        wire_put(writer, WIRE_ATTR_REASON, flow->reason);
        if (flow->decided_by[0])
                wire_put_string(writer, WIRE_ATTR_DECIDED_BY, flow->decided_by);
        if (flow->rule[0])
                wire_put_string(writer, WIRE_ATTR_RULE, flow->rule);
        put_time(writer, WIRE_ATTR_DECIDED_NS, flow->decided_ns);
        put_time(writer, WIRE_ATTR_CLOSED_NS, flow->closed_ns);
        if (flow->ended_by)
                wire_put(writer, WIRE_ATTR_ENDED_BY, flow->ended_by);
        wire_put_string(writer, WIRE_ATTR_ENDED_SESSION, flow->ended_session);
        if (flow->has_counts || flow->bytes_outbound || flow->bytes_inbound) {
                wire_put(writer, WIRE_ATTR_BYTES_OUTBOUND, flow->bytes_outbound);
                wire_put(writer, WIRE_ATTR_BYTES_INBOUND, flow->bytes_inbound);
        }
        if (flow->n_held)
                wire_put(writer, WIRE_ATTR_HELD_PACKETS, flow->n_held);
}
