/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The lanes are started with flowd and bind their queues with the first packet filter: a thread
 * that waits costs nothing, and could not be started later (engine/sandbox.c).
 *
 * A flowd that was killed leaves its table. The next one lets it stand until the sessions'
 * providers have said again what they want, for INHERIT_NS at most: until then what the table sends
 * goes its fail policy's way, which the queue tells.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "footprint/footprint.h"
#include "packet/packets.h"
#include "steer/intact.h"

#define FIRST_QUEUE 60000 /* behind those of steer/watch.c */
#define QUEUE_RANGE 5000
#define BIND_TRIES  64
#define INHERIT_NS  (10 * 1000000000ULL)

static int on_inherit_over(void *userdata);

/* --- lanes and their queues ---------------------------------------------------------------- */

/* At least two, so that one slow packet is not every packet's. */
static unsigned int n_lanes_wanted(void)
{
        long n = sysconf(_SC_NPROCESSORS_ONLN);

        return n < 2 ? 2 : n < LANES_MAX ? (unsigned int)n : LANES_MAX;
}

int packets_init(struct packets *packets, struct loop *loop, const struct ruleset_config *ruleset)
{
        unsigned int n_wanted = n_lanes_wanted();
        int r = 0;

        *packets = (struct packets){ .loop = loop, .ruleset = ruleset };
        snprintf(packets->table, sizeof(packets->table), "%s" FOOTPRINT_PACKETS, ruleset->table);
        loop_timer_init(&packets->inherit, on_inherit_over, packets);
        while (packets->n_lanes < n_wanted && r >= 0)
                r = lane_start(&packets->lanes[packets->n_lanes++]);
        return r;
}

void packets_deinit(struct packets *packets)
{
        for (unsigned int i = 0; i < packets->n_lanes; i++)
                lane_stop(&packets->lanes[i]);
        loop_timer_stop(&packets->inherit);
}

static void close_queues(struct packet_queue *queues[static LANES_MAX])
{
        for (unsigned int i = 0; i < LANES_MAX; i++)
                queues[i] = packet_queue_close(queues[i]);
}

static int open_queues(const struct packets *packets, uint16_t first,
                       struct packet_queue *queues[static LANES_MAX])
{
        int r = 0;

        for (unsigned int i = 0; i < packets->n_lanes && r >= 0; i++)
                r = packet_queue_open(&queues[i], (uint16_t)(first + i),
                                      (uint16_t)(first + packets->n_lanes + i));
        if (r < 0)
                close_queues(queues);
        return r;
}

/* The same numbers as an earlier flowd, where nobody else has taken them. */
static int find_queues(struct packets *packets, struct packet_queue *queues[static LANES_MAX])
{
        unsigned int width = 2 * packets->n_lanes, n_places = QUEUE_RANGE / width;
        int r = -EBUSY;

        for (unsigned int i = 0; i < BIND_TRIES && (r == -EBUSY || r == -EPERM); i++) {
                unsigned int place = (packets->ruleset->hold_queue / 2U + i) % n_places;

                packets->open_queue = (uint16_t)(FIRST_QUEUE + place * width);
                r = open_queues(packets, packets->open_queue, queues);
        }
        packets->closed_queue = (uint16_t)(packets->open_queue + packets->n_lanes);
        return r;
}

static int bind_queues(struct packets *packets)
{
        struct packet_queue *queues[LANES_MAX] = {};
        int r;

        if (packets->lanes[0].queue)
                return 0;
        r = find_queues(packets, queues);
        for (unsigned int i = 0; i < packets->n_lanes && r >= 0; i++) {
                lane_lock(&packets->lanes[i]);
                r = lane_set_queue(&packets->lanes[i], take_ptr(queues[i]));
                lane_unlock(&packets->lanes[i]);
        }
        close_queues(queues);
        return r;
}

/* --- what the kernel is told --------------------------------------------------------------- */

static int write_table(struct packets *packets)
{
        struct packet_wish wishes[STEER_SESSIONS_MAX];
        struct packet_table_config config = {
                .ruleset = packets->ruleset,
                .table = packets->table,
                .open_queue = packets->open_queue,
                .closed_queue = packets->closed_queue,
                .n_queues = (uint16_t)packets->n_lanes,
                .wishes = wishes,
        };
        int r;

        if (!packets->is_in_force || packets->inherits)
                return 0;
        for (size_t i = 0; i < packets->n_order; i++) {
                const struct packet_filter *filter = packets->order[i];

                if (!filter->is_in_force || !filter->rules)
                        continue;
                wishes[config.n_wishes++] = (struct packet_wish){
                        .slot = filter->slot,
                        .cgroup_id = filter->cgroup_id,
                        .is_closed = filter->fail_policy == WIRE_FAIL_CLOSED,
                        .rules = filter->rules,
                };
        }
        if (config.n_wishes == 0 && !packets->has_table)
                return 0;
        r = packet_table_apply(&config);
        if (r < 0)
                return r;
        packets->has_table = true;
        r = intact_take(packets->table, &packets->print);
        if (r < 0)
                log_debug("the table of packet filters cannot be read: %s", strerror(-r));
        return 0;
}

static void rewrite_table(struct packets *packets)
{
        int r = write_table(packets);

        if (r < 0)
                log_error("the table inet %s of packet filters cannot be changed: %s",
                          packets->table, strerror(-r));
}

static bool knows_all_rules(const struct packets *packets)
{
        for (size_t i = 0; i < packets->n_order; i++)
                if (!packets->order[i]->is_in_force)
                        return false;
        return true;
}

static void stop_inheriting(struct packets *packets)
{
        packets->inherits = false;
        loop_timer_stop(&packets->inherit);
        rewrite_table(packets);
}

static int on_inherit_over(void *userdata)
{
        stop_inheriting(userdata);
        return 0;
}

int packets_put_in_force(struct packets *packets, bool is_fresh)
{
        packets->is_in_force = true;
        if (packets->n_order == 0 || is_fresh) /* nobody's, or another version's */
                return packet_table_remove(packets->table);
        packets->has_table = packets->inherits = true;
        loop_timer_start(packets->loop, &packets->inherit, now_ns() + INHERIT_NS);
        return 0;
}

/* An earlier flowd's is not ours to write yet: what it had in it is known when it is replaced. */
int packets_keep(struct packets *packets)
{
        uint64_t print;
        int r;

        if (!packets->is_in_force || !packets->has_table || packets->inherits)
                return 0;
        r = intact_take(packets->table, &print);
        if (r < 0 || print == packets->print)
                return r;
        r = write_table(packets);
        return r < 0 ? r : 1;
}

void packets_remove(struct packets *packets)
{
        int r;

        packets->is_in_force = false;
        r = packet_table_remove(packets->table);
        if (r < 0)
                log_error("the table inet %s cannot be removed: %s", packets->table, strerror(-r));
}

/* --- filters ------------------------------------------------------------------------------- */

int packet_filter_new(struct packet_filter **ret_filter, struct packets *packets,
                      const struct packet_filter_config *config)
{
        struct packet_filter *filter;
        int r;

        r = bind_queues(packets);
        if (r < 0)
                return r;
        filter = calloc(1, sizeof(*filter));
        if (!filter)
                return -ENOMEM;
        filter->packets = packets;
        filter->slot = config->slot;
        filter->cgroup_id = config->cgroup_id;
        filter->fail_policy = config->fail_policy;
        for (unsigned int i = 0; i < packets->n_lanes; i++)
                gate_init(&filter->gates[i], &packets->lanes[i], config->slot, config->fail_policy,
                          config->verdict_timeout_ns);
        *ret_filter = filter;
        return 0;
}

static void add_counters(struct gate_counters *sum, const struct gate_counters *counters)
{
        sum->shown += counters->shown;
        sum->allowed += counters->allowed;
        sum->dropped += counters->dropped;
        sum->delayed += counters->delayed;
        sum->by_fail_policy += counters->by_fail_policy;
}

struct packet_filter *packet_filter_free(struct packet_filter *filter)
{
        if (!filter)
                return NULL;
        for (unsigned int i = 0; i < filter->packets->n_lanes; i++) {
                struct lane *lane = &filter->packets->lanes[i];

                lane_lock(lane);
                list_remove(&filter->gates[i].in_order);
                gate_let_go(&filter->gates[i]);
                add_counters(&filter->packets->gone, &filter->gates[i].counters);
                lane_unlock(lane);
        }
        free(filter->rules);
        free(filter);
        return NULL;
}

/* Only those whose provider ran are asked, so that none waits for one that has yet to say. */
static void order_lane(struct packets *packets, unsigned int number)
{
        struct lane *lane = &packets->lanes[number];
        struct list *link;

        lane_lock(lane);
        while ((link = lane->order.next) != &lane->order)
                list_remove(link);
        for (size_t i = 0; i < packets->n_order; i++) {
                struct packet_filter *filter = packets->order[i];
                struct gate *gate = &filter->gates[number];

                gate->rules = filter->is_in_force ? filter->rules : NULL;
                list_append(&lane->order, &gate->in_order);
        }
        lane_unlock(lane);
}

static void order_lanes(struct packets *packets)
{
        for (unsigned int i = 0; i < packets->n_lanes; i++)
                order_lane(packets, i);
}

void packets_set_order(struct packets *packets, struct packet_filter *const *filters, size_t n)
{
        if (n == 0 && packets->n_order == 0)
                return;
        memcpy(packets->order, filters, n * sizeof(*filters));
        packets->n_order = n;
        order_lanes(packets);
        rewrite_table(packets);
}

int packet_filter_set_rules(struct packet_filter *filter, struct packet_rules *rules)
{
        struct packet_rules *before = filter->rules;
        int r = 0;

        filter->rules = rules;
        if (filter->is_in_force)
                r = write_table(filter->packets);
        if (r < 0)
                filter->rules = before;
        order_lanes(filter->packets);
        if (r >= 0)
                free(before);
        return r;
}

static int connect_gate(struct gate *gate, unsigned int number, struct channel *flow_channel)
{
        struct wire_writer *writer;
        int fds[2], r;

        r = channel_pair(fds);
        if (r < 0)
                return r;
        lane_lock(gate->lane);
        gate_close(gate);
        r = gate_open(gate, fds[0]);
        lane_unlock(gate->lane);
        if (r >= 0) {
                writer = channel_begin(flow_channel, NX_MSG_PROVIDER_PACKET_LANE, 0);
                wire_put(writer, WIRE_ATTR_LANE, number);
                r = channel_end_with_fd(flow_channel, fds[1]);
        }
        if (r < 0)
                close_fd(fds[1]);
        return r;
}

int packet_filter_connect(struct packet_filter *filter, struct channel *flow_channel)
{
        struct packets *packets = filter->packets;
        int r = filter->rules ? 0 : packet_rules_all(&filter->rules);

        for (unsigned int i = 0; i < packets->n_lanes && r >= 0; i++)
                r = connect_gate(&filter->gates[i], i, flow_channel);
        if (r < 0) {
                packet_filter_disconnect(filter);
                return r;
        }
        filter->is_in_force = true;
        order_lanes(packets);
        if (packets->inherits && knows_all_rules(packets))
                stop_inheriting(packets);
        return write_table(packets);
}

void packet_filter_disconnect(struct packet_filter *filter)
{
        for (unsigned int i = 0; i < filter->packets->n_lanes; i++) {
                lane_lock(&filter->packets->lanes[i]);
                gate_close(&filter->gates[i]);
                lane_unlock(&filter->packets->lanes[i]);
        }
}

bool packet_filter_is_idle(struct packet_filter *filter)
{
        bool is_idle = true;

        for (unsigned int i = 0; i < filter->packets->n_lanes; i++) {
                lane_lock(&filter->packets->lanes[i]);
                is_idle &= gate_is_idle(&filter->gates[i]);
                lane_unlock(&filter->packets->lanes[i]);
        }
        return is_idle;
}

struct gate_counters packets_count(struct packets *packets)
{
        struct gate_counters sum = packets->gone;

        for (unsigned int i = 0; i < packets->n_lanes; i++) {
                struct gate *gate;

                lane_lock(&packets->lanes[i]);
                list_for_each (gate, &packets->lanes[i].order, in_order)
                        add_counters(&sum, &gate->counters);
                lane_unlock(&packets->lanes[i]);
        }
        return sum;
}
