/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A packet's number has its slot in the last bits, so that an answer is looked up without looking.
 * A slot is free again when its packet was answered, and not when that went on for another reason:
 * until then the provider may be reading it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "base/sealed.h"
#include "packet/gate.h"
#include "packet/lane.h"

#define MEMORY_SIZE     ((size_t)WIRE_PACKET_SLOTS * WIRE_PACKET_SLOT_SIZE)
#define DELAYED_BUCKETS 64
#define DELAY_NS        (NX_PACKET_DELAY_S_MAX * 1000000000ULL)

_Static_assert(WIRE_PACKET_SLOTS == 64, "gate.taken has a bit for each");

static int on_asked_timeout(void *userdata);
static int on_delayed_timeout(void *userdata);

void gate_init(struct gate *gate, struct lane *lane, unsigned int slot,
               enum wire_fail_policy fail_policy, uint64_t verdict_timeout_ns)
{
        *gate = (struct gate){
                .lane = lane,
                .slot = slot,
                .fail_policy = fail_policy,
                .verdict_timeout_ns = verdict_timeout_ns,
                .channel = CHANNEL_NULL,
                .io = LOOP_IO_NULL,
        };
        list_init(&gate->in_order);
        list_init(&gate->asked);
        list_init(&gate->queued);
        list_init(&gate->delayed);
        loop_timer_init(&gate->asked_timer, on_asked_timeout, gate);
        loop_timer_init(&gate->delayed_timer, on_delayed_timeout, gate);
}

static unsigned int slot_of(uint64_t id)
{
        return (unsigned int)(id % WIRE_PACKET_SLOTS);
}

/* --- packets that go ----------------------------------------------------------------------- */

/* It waits here no longer. */
static void forget(struct gate *gate, struct held_packet *packet)
{
        if (packet->place == PACKET_ASKED)
                gate->packets[slot_of(packet->id)] = NULL;
        if (packet->place == PACKET_DELAYED) {
                htable_remove(&gate->delayed_by_id, &packet->by_id);
                gate->n_delayed--;
                gate->bytes_delayed -= packet->size;
        }
        list_remove(&packet->waiting);
}

static void allow(struct gate *gate, struct held_packet *packet)
{
        gate->counters.allowed++;
        lane_advance(gate->lane, packet, packet->copy);
}

static void drop(struct gate *gate, struct held_packet *packet)
{
        gate->counters.dropped++;
        lane_end(gate->lane, packet, false);
}

static void fall_back(struct gate *gate, struct held_packet *packet)
{
        gate->counters.by_fail_policy++;
        if (gate->fail_policy != WIRE_FAIL_CLOSED)
                lane_advance(gate->lane, packet, packet->copy);
        else
                lane_end(gate->lane, packet, false);
}

typedef void packet_way_fn(struct gate *gate, struct held_packet *packet);

static void go_on(struct gate *gate, struct held_packet *packet)
{
        lane_advance(gate->lane, packet, packet->copy);
}

static void end_all(struct gate *gate, struct list *packets, packet_way_fn *way)
{
        struct held_packet *packet;

        while ((packet = list_first(packets, struct held_packet, waiting))) {
                forget(gate, packet);
                way(gate, packet);
        }
}

/* --- what takes too long ------------------------------------------------------------------- */

static int on_asked_timeout(void *userdata)
{
        struct gate *gate = userdata;
        struct held_packet *oldest = list_first(&gate->asked, struct held_packet, waiting);

        if (!oldest)
                return 0;
        if (oldest->deadline_ns > now_ns()) {
                loop_timer_start(&gate->lane->loop, &gate->asked_timer, oldest->deadline_ns);
                return 0;
        }
        gate->is_stalled = true;
        end_all(gate, &gate->asked, fall_back);
        end_all(gate, &gate->queued, fall_back);
        return 0;
}

static int on_delayed_timeout(void *userdata)
{
        struct gate *gate = userdata;
        struct held_packet *oldest;
        uint64_t now = now_ns();

        while ((oldest = list_first(&gate->delayed, struct held_packet, waiting))) {
                if (oldest->deadline_ns > now) {
                        loop_timer_start(&gate->lane->loop, &gate->delayed_timer,
                                         oldest->deadline_ns);
                        break;
                }
                forget(gate, oldest);
                fall_back(gate, oldest);
        }
        return 0;
}

/* --- asking -------------------------------------------------------------------------------- */

bool gate_has_room(const struct gate *gate, int n)
{
        return gate->channel.fd < 0 || gate->is_stalled || list_is_empty(&gate->asked) ||
               __builtin_popcountll(~gate->taken) >= n;
}

bool held_packet_keep(struct held_packet *packet, const uint8_t *bytes)
{
        if (!packet->copy) {
                packet->copy = malloc(packet->size);
                if (packet->copy)
                        memcpy(packet->copy, bytes, packet->size);
        }
        return packet->copy;
}

static int put_question(struct gate *gate, const struct held_packet *packet, uint64_t id)
{
        struct wire_writer *writer;

        writer = channel_begin(&gate->channel, NX_MSG_PROVIDER_PACKET, 0);
        wire_put(writer, WIRE_ATTR_PACKET, id);
        wire_put(writer, WIRE_ATTR_DIRECTION, packet->facts.direction);
        wire_put_string(writer, WIRE_ATTR_INTERFACE, packet->facts.interface);
        wire_put(writer, WIRE_ATTR_COUNT, packet->size);
        return channel_end(&gate->channel);
}

static void wait_for_answer(struct gate *gate, struct held_packet *packet, uint64_t id)
{
        packet->id = id;
        packet->place = PACKET_ASKED;
        packet->deadline_ns = now_ns() + gate->verdict_timeout_ns;
        gate->taken |= 1ULL << slot_of(id);
        gate->in_slot[slot_of(id)] = id;
        gate->packets[slot_of(id)] = packet;
        if (list_is_empty(&gate->asked))
                loop_timer_start(&gate->lane->loop, &gate->asked_timer, packet->deadline_ns);
        list_append(&gate->asked, &packet->waiting);
}

static void ask_now(struct gate *gate, struct held_packet *packet, const uint8_t *bytes)
{
        unsigned int slot = (unsigned int)__builtin_ctzll(~gate->taken);
        uint64_t id;

        id = ++gate->last_sequence * WIRE_PACKET_SLOTS + slot;
        memcpy(gate->memory + slot * WIRE_PACKET_SLOT_SIZE, bytes, packet->size);
        if (put_question(gate, packet, id) < 0) {
                fall_back(gate, packet);
                return;
        }
        gate->counters.shown++;
        wait_for_answer(gate, packet, id);
}

static void queue_up(struct gate *gate, struct held_packet *packet, const uint8_t *bytes)
{
        if (list_is_empty(&gate->asked) || !held_packet_keep(packet, bytes)) {
                fall_back(gate, packet);
                return;
        }
        packet->place = PACKET_QUEUED;
        list_append(&gate->queued, &packet->waiting);
}

void gate_ask(struct gate *gate, struct held_packet *packet, const uint8_t *bytes)
{
        if (gate->channel.fd < 0 || gate->is_stalled)
                fall_back(gate, packet);
        else if (gate->taken == UINT64_MAX || !list_is_empty(&gate->queued))
                queue_up(gate, packet, bytes);
        else
                ask_now(gate, packet, bytes);
}

/* Answers have made room. */
static void ask_queued(struct gate *gate)
{
        struct held_packet *packet;

        while (gate->taken != UINT64_MAX &&
               (packet = list_first(&gate->queued, struct held_packet, waiting))) {
                list_remove(&packet->waiting);
                ask_now(gate, packet, packet->copy);
        }
}

/* --- answers ------------------------------------------------------------------------------- */

static bool has_room_to_delay(const struct gate *gate, const struct held_packet *packet)
{
        return gate->n_delayed < NX_PACKETS_DELAYED_MAX &&
               gate->bytes_delayed + packet->size <= NX_PACKET_BYTES_DELAYED_MAX;
}

/* From its slot, which others need, to the list. */
static void delay(struct gate *gate, struct held_packet *packet)
{
        if (!has_room_to_delay(gate, packet)) {
                fall_back(gate, packet);
                return;
        }
        gate->counters.delayed++;
        packet->place = PACKET_DELAYED;
        gate->n_delayed++;
        gate->bytes_delayed += packet->size;
        packet->deadline_ns = now_ns() + DELAY_NS;
        if (list_is_empty(&gate->delayed))
                loop_timer_start(&gate->lane->loop, &gate->delayed_timer, packet->deadline_ns);
        list_append(&gate->delayed, &packet->waiting);
        htable_add(&gate->delayed_by_id, &packet->by_id,
                   htable_hash(&packet->id, sizeof(packet->id)));
}

static struct held_packet *find_delayed(const struct gate *gate, uint64_t id)
{
        struct held_packet *packet;

        htable_for_each_match (packet, &gate->delayed_by_id, htable_hash(&id, sizeof(id)), by_id)
                if (packet->id == id)
                        return packet;
        return NULL;
}

/* The packet that an answer is about; NULL where that has gone on meanwhile. */
static struct held_packet *take_answered(struct gate *gate, uint64_t id)
{
        unsigned int slot = slot_of(id);
        struct held_packet *packet;

        if (gate->taken >> slot & 1 && gate->in_slot[slot] == id) {
                gate->taken &= ~(1ULL << slot);
                packet = gate->packets[slot];
        } else {
                packet = find_delayed(gate, id);
        }
        if (packet)
                forget(gate, packet);
        return packet;
}

/* One that was never asked about is a lie; else two messages crossed. */
static bool was_asked(const struct gate *gate, uint64_t id)
{
        return id / WIRE_PACKET_SLOTS >= 1 && id / WIRE_PACKET_SLOTS <= gate->last_sequence;
}

static int on_message(const struct wire_message *message, int *fd, void *userdata)
{
        struct gate *gate = userdata;
        uint64_t id = wire_get(message, WIRE_ATTR_PACKET);
        struct held_packet *packet;

        if (message->type != NX_MSG_ENGINE_PACKET_VERDICT || !was_asked(gate, id))
                return -EBADMSG;
        packet = take_answered(gate, id);
        if (!packet)
                return 0;
        switch (wire_get(message, WIRE_ATTR_PACKET_VERDICT)) {
        case NX_PACKET_VERDICT_ALLOW:
                allow(gate, packet);
                return 0;
        case NX_PACKET_VERDICT_DELAY:
                delay(gate, packet);
                return 0;
        default:
                drop(gate, packet);
                return 0;
        }
}

static int on_io(uint32_t events, void *userdata)
{
        struct gate *gate = userdata;
        int r = 0;

        if (events & EPOLLOUT)
                r = channel_flush(&gate->channel);
        gate->channel.problem = NULL;
        if (r >= 0)
                r = channel_receive(&gate->channel, on_message, gate);
        if (r >= 0) {
                gate->is_stalled = false;
                ask_queued(gate);
        }
        if (r >= 0 || r == -EAGAIN)
                return 0;
        if (r == -EBADMSG)
                log_warning("a thread of a packet filter broke the protocol: %s; its channel is "
                            "closed",
                            gate->channel.problem ? gate->channel.problem
                                                  : "a message came that makes no sense here");
        gate_close(gate);
        return 0;
}

/* --- life ---------------------------------------------------------------------------------- */

static int send_memory(struct gate *gate)
{
        _cleanup_fd_ int fd = -1;
        int r;

        r = sealed_open("netext-packets", MEMORY_SIZE, &gate->memory, &fd);
        if (r < 0)
                return r;
        (void)channel_begin(&gate->channel, NX_MSG_PROVIDER_PACKET_MEMORY, 0);
        r = channel_end_with_fd(&gate->channel, fd);
        if (r >= 0)
                take_fd(&fd);
        return r < 0 ? r : channel_flush(&gate->channel);
}

int gate_open(struct gate *gate, int fd)
{
        int r;

        r = channel_init(&gate->channel, fd);
        if (r >= 0)
                r = htable_init(&gate->delayed_by_id, DELAYED_BUCKETS);
        if (r >= 0)
                r = send_memory(gate);
        if (r >= 0)
                r = loop_add(&gate->lane->loop, &gate->io, fd, EPOLLIN, on_io, gate);
        if (r < 0)
                gate_close(gate);
        return r;
}

static void gate_end(struct gate *gate, packet_way_fn *way)
{
        loop_remove(&gate->lane->loop, &gate->io);
        channel_deinit(&gate->channel);
        loop_timer_stop(&gate->asked_timer);
        loop_timer_stop(&gate->delayed_timer);
        end_all(gate, &gate->asked, way);
        end_all(gate, &gate->queued, way);
        end_all(gate, &gate->delayed, way);
        htable_deinit(&gate->delayed_by_id);
        gate->delayed_by_id = (struct htable){};
        gate->memory = sealed_close(gate->memory, MEMORY_SIZE);
        gate->taken = 0;
        gate->is_stalled = gate->wants_write = false;
}

void gate_close(struct gate *gate)
{
        gate_end(gate, fall_back);
}

void gate_let_go(struct gate *gate)
{
        gate_end(gate, go_on);
}

bool gate_is_idle(const struct gate *gate)
{
        return list_is_empty(&gate->asked) && list_is_empty(&gate->delayed);
}

void gate_flush(struct gate *gate)
{
        bool wants_write;

        if (gate->channel.fd < 0 || channel_flush(&gate->channel) < 0)
                return; /* the end of the channel is met when it is read */
        wants_write = channel_wants_write(&gate->channel);
        if (wants_write == gate->wants_write)
                return;
        gate->wants_write = wants_write;
        (void)loop_modify(&gate->lane->loop, &gate->io, wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
}
