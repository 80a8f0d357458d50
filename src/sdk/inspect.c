/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An inspected flow is kept from the verdict FILTER_DATA to PROVIDER_FLOW_CLOSED. Between
 * them netext-flowd shows bytes and asks what becomes of them: one question at a time for
 * each direction, which the extension answers by what its function returns. What it says
 * unasked, by nx_flow_update(), is the same message without the offset of a question.
 *
 * After ALLOW or DROP the flow is settled: questions that were under way are for nobody.
 *
 * inspect_handle_bytes() is the hot path. The bytes are those of the receive buffer, or, where
 * there are more than a message carries, lie in memory that netext-flowd shares; nothing is
 * allocated, referenced or sent for each of them; the answers of a round leave as one batch.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sdk/inspect.h"
#include "sdk/kept.h"
#include "sdk/provider.h"
#include "sdk/public.h"
#include "sdk/verdict.h"

_Static_assert(NX_DATA_PEEK_MAX == WIRE_DATA_MAX, "what can be asked for, a message can carry");
_Static_assert(NX_DATA_SHOWN_MAX == WIRE_SLOT_SIZE, "a call shows what a slot holds");

#define MEMORY_SIZE ((size_t)WIRE_SLOTS * WIRE_SLOT_SIZE)

/* Where the extension has no function, that direction passes; the other one is still shown. */
static const struct nx_data_verdict pass_unseen = {
        .verdict = NX_VERDICT_FILTER_DATA,
        .pass_bytes = NX_DATA_BYTES_MAX,
};

static const struct nx_filter_provider *functions_of(const struct session *session)
{
        return &session->provider->extension.filter;
}

const char *inspect_problem(const struct nx_flow *flow)
{
        const struct nx_filter_provider *functions = functions_of(flow->run->session);

        if (functions->handle_outbound_data || functions->handle_inbound_data)
                return NULL;
        return "FILTER_DATA, but there is neither handle_outbound_data nor handle_inbound_data to "
               "show its bytes to";
}

void inspect_put(const struct nx_flow *flow, struct wire_writer *writer)
{
        const struct nx_filter_provider *functions = functions_of(flow->run->session);

        wire_put(writer, WIRE_ATTR_PEEK_BYTES,
                 functions->handle_outbound_data ? flow->peek_outbound : NX_DATA_BYTES_MAX);
        wire_put(writer, WIRE_ATTR_PEEK_INBOUND,
                 functions->handle_inbound_data ? flow->peek_inbound : NX_DATA_BYTES_MAX);
}

/* question: what is answered, or NULL. */
static int send_data_verdict(struct session *session, struct nx_flow *flow,
                             enum nx_direction direction, const struct nx_data_verdict *verdict,
                             const struct wire_message *question)
{
        struct channel *channel = &session->engine.channel;
        struct wire_writer *writer;
        int r;

        writer = channel_begin(channel, NX_MSG_ENGINE_DATA_VERDICT, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow->identifier);
        wire_put(writer, WIRE_ATTR_DIRECTION, (uint64_t)direction);
        wire_put(writer, WIRE_ATTR_VERDICT, (uint64_t)verdict->verdict);
        if (question)
                wire_put(writer, WIRE_ATTR_OFFSET, wire_get(question, WIRE_ATTR_OFFSET));
        if (verdict->verdict == NX_VERDICT_FILTER_DATA) {
                wire_put(writer, WIRE_ATTR_PASS_BYTES, verdict->pass_bytes);
                wire_put(writer, WIRE_ATTR_PEEK_BYTES, verdict->peek_bytes);
        }
        r = channel_end(channel);
        if (r < 0)
                return r;
        if (verdict->verdict == NX_VERDICT_ALLOW || verdict->verdict == NX_VERDICT_DROP)
                flow->state = FLOW_SETTLED;
        return 0;
}

static bool is_update_verdict(enum nx_verdict verdict)
{
        return verdict == NX_VERDICT_FILTER_DATA || verdict == NX_VERDICT_ALLOW ||
               verdict == NX_VERDICT_DROP;
}

static int answer(struct session *session, struct nx_flow *flow, enum nx_direction direction,
                  const struct nx_data_verdict *verdict, const struct wire_message *question)
{
        if (!is_update_verdict(verdict->verdict) && verdict->verdict != NX_VERDICT_PAUSE)
                return provider_fail(
                        session->provider, -EPROTO,
                        "handle_%s_%s returned %d for flow %llu; a verdict about bytes "
                        "is FILTER_DATA, ALLOW, DROP or PAUSE",
                        nx_direction_to_string(direction),
                        question->type == NX_MSG_PROVIDER_FLOW_DATA ? "data" : "complete",
                        (int)verdict->verdict, (unsigned long long)flow->identifier);
        return send_data_verdict(session, flow, direction, verdict, question);
}

/* The flow that message asks about; NULL where that is a fault, or nobody's any more. */
static struct nx_flow *find_asked(struct session *session, const struct wire_message *message,
                                  int *ret_result)
{
        struct nx_flow *flow = kept_find(session, message);

        *ret_result = 0;
        if (!flow || flow->state == FLOW_SETTLED)
                return NULL;
        if (flow->state == FLOW_INSPECTED && wire_get(message, WIRE_ATTR_DIRECTION))
                return flow;
        *ret_result = provider_fail_message(session->provider, "netext-flowd", message->type);
        return NULL;
}

void inspect_forget_memory(struct session *session)
{
        if (session->memory)
                munmap((void *)take_ptr(session->memory), MEMORY_SIZE);
}

int inspect_handle_memory(struct session *session, int fd)
{
        struct stat status;
        void *memory;

        inspect_forget_memory(session);
        if (fstat(fd, &status) < 0 || (size_t)status.st_size != MEMORY_SIZE)
                return provider_fail(session->provider, -EPROTO,
                                     "netext-flowd sent memory of another size than WIRE_SLOTS");
        memory = mmap(NULL, MEMORY_SIZE, PROT_READ, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return provider_fail(session->provider, -errno,
                                     "Cannot map the memory that bytes are shown in: %s",
                                     strerror(errno));
        session->memory = memory;
        return 0;
}

/* NULL if they are not where the message says. */
static const void *find_shown(const struct session *session, const struct wire_message *message,
                              size_t *ret_size)
{
        uint64_t slot = wire_get(message, WIRE_ATTR_SLOT);
        uint64_t size = wire_get(message, WIRE_ATTR_COUNT);

        if (!wire_has(message, WIRE_ATTR_SLOT))
                return wire_get_bytes(message, WIRE_ATTR_DATA, ret_size);
        if (!session->memory || slot >= WIRE_SLOTS || size > WIRE_SLOT_SIZE)
                return NULL;
        *ret_size = size;
        return session->memory + slot * WIRE_SLOT_SIZE;
}

static struct nx_data_verdict judge_bytes(struct session *session, struct nx_flow *flow,
                                          enum nx_direction direction, uint64_t offset,
                                          const void *bytes, size_t size)
{
        const struct nx_filter_provider *functions = functions_of(session);
        void *userdata = session->provider->userdata;
        struct nx_data_verdict verdict = pass_unseen;

        flow->asked = direction;
        if (direction == NX_DIRECTION_OUTBOUND && functions->handle_outbound_data)
                verdict = functions->handle_outbound_data(&session->filter, flow, offset, bytes,
                                                          size, userdata);
        if (direction == NX_DIRECTION_INBOUND && functions->handle_inbound_data)
                verdict = functions->handle_inbound_data(&session->filter, flow, offset, bytes,
                                                         size, userdata);
        flow->asked = NX_DIRECTION_ANY;
        return verdict;
}

static int answer_bytes(struct session *session, const struct wire_message *message)
{
        enum nx_direction direction = (enum nx_direction)wire_get(message, WIRE_ATTR_DIRECTION);
        struct nx_data_verdict verdict;
        struct nx_flow *flow;
        const void *bytes;
        size_t size;
        int r;

        flow = find_asked(session, message, &r);
        if (!flow)
                return r;
        bytes = find_shown(session, message, &size);
        if (!bytes)
                return provider_fail_message(session->provider, "netext-flowd", message->type);
        verdict = judge_bytes(session, flow, direction, wire_get(message, WIRE_ATTR_OFFSET), bytes,
                              size);
        return answer(session, flow, direction, &verdict, message);
}

/* A slot is given back also where nobody wanted to see what is in it. */
int inspect_handle_bytes(struct session *session, const struct wire_message *message)
{
        struct channel *channel = &session->engine.channel;
        int r;

        r = answer_bytes(session, message);
        if (r < 0 || !wire_has(message, WIRE_ATTR_SLOT))
                return r;
        wire_put(channel_begin(channel, NX_MSG_ENGINE_DATA_SEEN, 0), WIRE_ATTR_SLOT,
                 wire_get(message, WIRE_ATTR_SLOT));
        return channel_end(channel);
}

int inspect_handle_complete(struct session *session, const struct wire_message *message)
{
        enum nx_direction direction = (enum nx_direction)wire_get(message, WIRE_ATTR_DIRECTION);
        struct nx_data_verdict verdict = pass_unseen;
        const struct nx_filter_provider *functions = functions_of(session);
        void *userdata = session->provider->userdata;
        struct nx_flow *flow;
        int r;

        flow = find_asked(session, message, &r);
        if (!flow)
                return r;
        flow->asked = direction;
        if (direction == NX_DIRECTION_OUTBOUND && functions->handle_outbound_complete)
                verdict = functions->handle_outbound_complete(&session->filter, flow, userdata);
        if (direction == NX_DIRECTION_INBOUND && functions->handle_inbound_complete)
                verdict = functions->handle_inbound_complete(&session->filter, flow, userdata);
        flow->asked = NX_DIRECTION_ANY;
        return answer(session, flow, direction, &verdict, message);
}

void inspect_handle_closed(struct session *session, struct nx_flow *flow)
{
        const struct nx_filter_provider *functions = functions_of(session);

        if (functions->handle_flow_ended)
                functions->handle_flow_ended(&session->filter, flow, session->provider->userdata);
}

_public_ int nx_flow_filter_data(struct nx_flow *flow, uint64_t peek_outbound,
                                 uint64_t peek_inbound)
{
        int r;

        r = verdict_is_due(flow);
        if (r < 0)
                return r;
        if (flow->run->session->role != &filter_role)
                return -EINVAL;
        flow->peek_outbound = peek_outbound;
        flow->peek_inbound = peek_inbound;
        return 0;
}

_public_ int nx_flow_update(struct nx_flow *flow, enum nx_direction direction,
                            struct nx_data_verdict verdict)
{
        struct session *session = flow->run->session;
        int r;

        if (!session || flow->state == FLOW_OVER)
                return -ESTALE;
        if (flow->state == FLOW_SETTLED)
                return -EALREADY;
        if (flow->state != FLOW_INSPECTED || !is_update_verdict(verdict.verdict) ||
            (direction != NX_DIRECTION_OUTBOUND && direction != NX_DIRECTION_INBOUND))
                return -EINVAL;
        if (flow->asked == direction ||
            (flow->asked != NX_DIRECTION_ANY && verdict.verdict != NX_VERDICT_FILTER_DATA))
                return -EBUSY;
        r = send_data_verdict(session, flow, direction, &verdict, NULL);
        if (r < 0)
                return r;
        provider_flush_soon(session->provider);
        return 0;
}
