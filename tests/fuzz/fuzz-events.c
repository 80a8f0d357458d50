/* SPDX-License-Identifier: Apache-2.0 */

/* fuzz-sources: src/flowd/engine/events.c src/flowd/flow/table.c */
/* fuzz-sources: src/base/endpoint.c src/base/htable.c src/base/log.c src/base/loop.c */
/* fuzz-sources: src/base/wheel.c */

/*
 * What the programs in the kernel tell, in any order and with anything in it: each event is a byte
 * for its type, and what there is of its fields. A flow is over once, whoever is told so is told
 * once, and one that is held stays.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "chain/ending.h"
#include "chain/session.h"
#include "engine/events.h"
#include "engine/groups.h"
#include "engine/lost.h"
#include "flow/sender.h"
#include "steer/leftovers.h"
#include "steer/passed.h"
#include "steer/sockets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

union any_event {
        struct steer_event event;
        struct steer_event_decided decided;
        struct steer_event_closed closed;
        struct steer_event_hung_up hung_up;
        struct steer_event_unasked unasked;
};

static const size_t sizes[] = {
        [STEER_EVENT_ALLOWED] = sizeof(struct steer_event_decided),
        [STEER_EVENT_DENIED] = sizeof(struct steer_event_decided),
        [STEER_EVENT_CLOSED] = sizeof(struct steer_event_closed),
        [STEER_EVENT_HUNG_UP] = sizeof(struct steer_event_hung_up),
        [STEER_EVENT_BOUND] = sizeof(struct steer_event),
        [STEER_EVENT_UNASKED] = sizeof(struct steer_event_unasked),
};

static struct steer_state state;
static const uint8_t *input;
static size_t n_input;

/* In the place of the kernel, and of those whom events are passed on to. */

/* Nothing happened when the machine was started. */
static void set_time(union any_event *event)
{
        if (event->event.type == STEER_EVENT_CLOSED)
                event->closed.time_ns |= 1;
        if (event->event.type == STEER_EVENT_HUNG_UP)
                event->hung_up.time_ns |= 1;
        if (event->event.type == STEER_EVENT_DENIED)
                event->decided.owner.time_ns |= 1;
}

int hooks_read_events(struct hooks *hooks, hooks_event_fn *fn, void *userdata)
{
        int n = 0;

        for (; n_input > 0; n++) {
                uint8_t type = 1 + input[0] % (ARRAY_SIZE(sizes) - 1);
                size_t n_bytes = sizes[type] < n_input - 1 ? sizes[type] : n_input - 1;
                union any_event *event = calloc(1, sizes[type]);

                memcpy(event, input + 1, n_bytes);
                event->event.type = type;
                set_time(event);
                input += 1 + n_bytes;
                n_input -= 1 + n_bytes;
                fn(&event->event, userdata);
                free(event);
        }
        return n;
}

int hooks_events_fd(struct hooks *hooks)
{
        static int fd = -1;

        if (fd < 0)
                fd = eventfd(0, EFD_CLOEXEC);
        return fd;
}

struct steer_state *hooks_state(struct hooks *hooks)
{
        return &state;
}

void intake_set_owner(struct intake *intake, struct flow *flow, const struct steer_owner *owner)
{
        flow->socket_cookie = owner->cookie;
        flow->started_ns = owner->time_ns;
}

void chain_note_outcome(struct chain *chain, struct flow *flow, const struct steer_outcome *outcome)
{
        flow->judged = *outcome;
}

void chain_count(struct chain *chain, const struct flow *flow)
{
}

struct process *owners_put_process(struct owners *owners, struct process *process)
{
        return NULL;
}

void session_abandon(struct flow *flow)
{
}

void reports_note_tally(struct flow *flow, const struct steer_tally *tally)
{
        flow->bytes_outbound = tally->acked;
}

void groups_bound(struct groups *groups, uint16_t port)
{
}

void groups_unasked(struct groups *groups, const struct steer_member *member)
{
}

void leftovers_forget(struct leftovers *leftovers, const struct endpoint *local)
{
}

void ending_forget(struct chain *chain, const struct flow *flow)
{
}

struct process *sender_find(struct owners *owners, const struct flow *flow)
{
        return NULL;
}

void passed_mend(const struct passed *passed, const struct endpoint *local,
                 const struct endpoint *remote)
{
}

int lost_find_ends(struct intake *intake, uint64_t before_ns)
{
        return 0;
}

int sockets_list(uint32_t mark, uint32_t mark_mask, sockets_fn *fn, void *userdata)
{
        const struct endpoint local = { .port = 40000 };

        for (uint64_t cookie = 0; cookie < 4; cookie++)
                fn(cookie, &local, userdata);
        return 0;
}

static void on_decided(struct flow *flow, void *userdata)
{
        if (flow->verdict == NX_VERDICT_NONE)
                abort();
}

#define FLOWS_MAX 8192

static void on_closed(struct flow *flow, void *userdata)
{
        bool *were_closed = userdata;

        if (flow->id >= FLOWS_MAX || were_closed[flow->id] || !flow->closed_ns)
                abort();
        were_closed[flow->id] = true;
}

static bool is_watched(void *userdata)
{
        return true;
}

static void try_all(struct loop *loop, struct flow_table *flows)
{
        bool were_closed[FLOWS_MAX] = {};
        struct chain chain = { .flows = flows, .listener = { .flow_decided = on_decided } };
        struct intake intake = {
                .loop = loop,
                .flows = flows,
                .chain = &chain,
                .is_watched = is_watched,
                .flow_closed = on_closed,
                .userdata = were_closed,
        };
        const struct flow held = { .protocol = IPPROTO_TCP, .socket_cookie = 1 };
        uint64_t id;

        events_init(&intake);
        if (events_start(&intake) < 0)
                abort();
        id = flow_table_add(flows, &held)->id;
        events_catch_up(&intake);
        events_find_local_ends(&intake);
        if (!flow_table_find(flows, id) || flow_table_find(flows, id)->verdict != NX_VERDICT_NONE)
                abort();
        events_stop(&intake);
        flow_table_deinit(flows); /* its flows wait in lists of intake */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        __u64 last_id = 0;
        struct flow_table flows;
        struct loop loop;

        input = data;
        n_input = size;
        log_open("fuzz-events", LOG_LEVEL_ERROR);
        if (loop_init(&loop) < 0 || flow_table_init(&flows, NULL, &last_id) < 0)
                abort();
        try_all(&loop, &flows);
        loop_deinit(&loop);
        return 0;
}
