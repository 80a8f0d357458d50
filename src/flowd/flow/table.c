/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Three ways to find a flow: by number (people, providers), by endpoints (packets), by
 * socket (the program closed it). Flows stand in the order of their arrival.
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "flow/sender.h"
#include "flow/table.h"
#include "owner/owner.h"
#include "steer/without.h"

/* To grow is to move all flows while packets wait: room for a busy machine from the start. */
#define BUCKETS 16384

int flow_table_init(struct flow_table *table, struct owners *owners, __u64 *last_id)
{
        int r;

        *table = (struct flow_table){
                .owners = owners,
                .last_id = last_id,
                .n_flows_max = room_for(FLOW_TABLE_MAX),
        };
        list_init(&table->ages);
        list_init(&table->closed);
        r = htable_init(&table->by_id, BUCKETS);
        if (r >= 0)
                r = htable_init(&table->by_tuple, BUCKETS);
        if (r >= 0)
                r = htable_init(&table->by_socket, BUCKETS);
        return r;
}

static void flow_free(struct flow_table *table, struct flow *flow)
{
        htable_remove(&table->by_id, &flow->by_id);
        htable_remove(&table->by_tuple, &flow->by_tuple);
        htable_remove(&table->by_socket, &flow->by_socket);
        list_remove(&flow->age);
        list_remove(&flow->waiting);
        wheel_timer_stop(&flow->idle_timer);
        if (!list_is_empty(&flow->closed)) {
                list_remove(&flow->closed);
                table->n_closed--;
        }
        owners_put_process(table->owners, flow->process);
        owners_put_process(table->owners, flow->origin);
        owners_put_process(table->owners, flow->asker);
        owners_put_process(table->owners, flow->creator);
        owners_put_process(table->owners, flow->last_sender);
        table->n_flows--;
        if (flow->reports)
                wheel_timer_stop(&flow->reports->timer);
        free(flow->reports);
        free(flow->ended_session);
        free(flow->inspectors);
        free(flow);
}

void flow_table_deinit(struct flow_table *table)
{
        struct flow *flow;

        while ((flow = list_first(&table->ages, struct flow, age)))
                flow_free(table, flow);
        htable_deinit(&table->by_id);
        htable_deinit(&table->by_tuple);
        htable_deinit(&table->by_socket);
}

struct tuple_key {
        struct endpoint local;
        struct endpoint remote;
        uint32_t protocol;
};

static uint64_t tuple_hash(uint8_t protocol, const struct endpoint *local,
                           const struct endpoint *remote)
{
        struct tuple_key key;

        memset(&key, 0, sizeof(key));
        key.local.address = local->address;
        key.local.port = local->port;
        key.remote.address = remote->address;
        key.remote.port = remote->port;
        key.protocol = protocol;
        return htable_hash(&key, sizeof(key));
}

/* Ours and dense: the best hash there is. */
static uint64_t id_hash(uint64_t id)
{
        return id;
}

/* Forgets the oldest flow whose packets do not wait. */
static bool make_room(struct flow_table *table)
{
        struct flow *flow;

        list_for_each (flow, &table->ages, age)
                if (flow->verdict != NX_VERDICT_NONE && !flow->delivery && !flow->reports) {
                        flow_free(table, flow);
                        return true;
                }
        return false;
}

struct flow *flow_table_add(struct flow_table *table, const struct flow *model)
{
        struct flow *flow = NULL;

        if (table->n_flows < table->n_flows_max || make_room(table))
                flow = malloc(sizeof(*flow));
        if (!flow) {
                owners_put_process(table->owners, model->process);
                owners_put_process(table->owners, model->origin);
                owners_put_process(table->owners, model->asker);
                owners_put_process(table->owners, model->creator);
                return NULL;
        }
        memcpy(flow, model, offsetof(struct flow, held[model->n_held]));
        flow->id = ++*table->last_id;
        list_init(&flow->waiting);
        list_init(&flow->closed);
        wheel_timer_init(&flow->idle_timer);
        list_append(&table->ages, &flow->age);
        htable_add(&table->by_id, &flow->by_id, id_hash(flow->id));
        if (flow->verdict == NX_VERDICT_NONE)
                htable_add(&table->by_tuple, &flow->by_tuple,
                           tuple_hash(flow->protocol, &flow->local, &flow->remote));
        htable_add(&table->by_socket, &flow->by_socket,
                   htable_hash(&flow->socket_cookie, sizeof(flow->socket_cookie)));
        table->n_flows++;
        if (flow->closed_ns && flow->verdict != NX_VERDICT_NONE)
                flow_table_close(table, flow, flow->closed_ns);
        return flow;
}

struct flow *flow_table_find(struct flow_table *table, uint64_t id)
{
        struct flow *flow;

        htable_for_each_match (flow, &table->by_id, id_hash(id), by_id)
                if (flow->id == id)
                        return flow;
        return NULL;
}

struct flow *flow_table_find_tuple(struct flow_table *table, uint8_t protocol,
                                   const struct endpoint *local, const struct endpoint *remote)
{
        uint64_t hash = tuple_hash(protocol, local, remote);
        struct flow *flow;

        htable_for_each_match (flow, &table->by_tuple, hash, by_tuple)
                if (flow->protocol == protocol && endpoint_equal(&flow->local, local) &&
                    endpoint_equal(&flow->remote, remote))
                        return flow;
        return NULL;
}

struct flow *flow_table_find_member(struct flow_table *table, uint64_t cookie,
                                    const struct endpoint *local, const struct endpoint *remote)
{
        uint64_t hash = tuple_hash(IPPROTO_UDP, local, remote);
        struct flow *flow;

        htable_for_each_match (flow, &table->by_tuple, hash, by_tuple)
                if (flow->is_for_group && flow->socket_cookie == cookie &&
                    endpoint_equal(&flow->local, local) && endpoint_equal(&flow->remote, remote))
                        return flow;
        return NULL;
}

struct flow *flow_table_find_socket(struct flow_table *table, uint64_t cookie)
{
        uint64_t hash = htable_hash(&cookie, sizeof(cookie));
        struct flow *flow;

        htable_for_each_match (flow, &table->by_socket, hash, by_socket)
                if (flow->socket_cookie == cookie)
                        return flow;
        return NULL;
}

static void keep_for_a_while(struct flow_table *table, struct flow *flow)
{
        list_append(&table->closed, &flow->closed);
        if (++table->n_closed > FLOW_CLOSED_MAX)
                flow_free(table, list_first(&table->closed, struct flow, closed));
}

void flow_table_close(struct flow_table *table, struct flow *flow, uint64_t at_ns)
{
        flow->closed_ns = at_ns;
        if (!flow->last_sender)
                flow->last_sender = sender_find(table->owners, flow);
        if (!flow->delivery && list_is_empty(&flow->closed))
                keep_for_a_while(table, flow);
}

void flow_table_forget(struct flow_table *table, struct flow *flow)
{
        flow_free(table, flow);
}

void flow_table_unpin(struct flow_table *table, struct flow *flow)
{
        if (flow->closed_ns && flow->verdict != NX_VERDICT_NONE && list_is_empty(&flow->closed))
                keep_for_a_while(table, flow);
}

ssize_t flow_table_select(const struct flow_table *table, flow_test_fn *fn, const void *userdata,
                          uint64_t **ret_ids)
{
        const struct flow *flow;
        uint64_t *ids;
        size_t n = 0;

        ids = malloc((table->n_flows + 1) * sizeof(*ids));
        if (!ids)
                return -ENOMEM;
        list_for_each (flow, &table->ages, age)
                if (fn(flow, userdata))
                        ids[n++] = flow->id;
        *ret_ids = ids;
        return (ssize_t)n;
}

void flow_table_for_socket(struct flow_table *table, uint64_t cookie, flow_fn *fn, void *userdata)
{
        uint64_t hash = htable_hash(&cookie, sizeof(cookie));
        struct flow *flow;

        if (cookie == 0)
                return;
        htable_for_each_match (flow, &table->by_socket, hash, by_socket)
                if (flow->socket_cookie == cookie)
                        fn(flow, userdata);
}
