/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel queues what belongs to a flow of the sets `watched` (steer/ruleset.c). A flow that is
 * not known any more leaves its set, and its datagram is asked about like any other. One that no
 * filter wants to see more of is let in for good, by its caller's next datagram. What is still in
 * pieces came before the rules that have the kernel put them together (tproxy's), and is dropped.
 */

#include <netinet/in.h>
#include <sys/epoll.h>

#include "chain/chain.h"
#include "deliver/delivery.h"
#include "deliver/watched.h"
#include "flow/packet.h"
#include "flow/table.h"
#include "inspect/datagrams.h"
#include "steer/passed.h"
#include "steer/watch.h"

static void let_go_on(struct deliveries *all, const struct flow *flow,
                      const struct watch_packet *bytes, const struct packet *packet)
{
        enum nx_direction direction =
                bytes->is_inbound ? NX_DIRECTION_INBOUND : NX_DIRECTION_OUTBOUND;
        struct delivery *delivery = flow->delivery;

        if (delivery && delivery->datagrams)
                datagrams_take(delivery->datagrams, direction, packet->payload,
                               packet->payload_size + bytes->n_left_out, bytes->token);
        else
                watch_decide(all->watch, bytes->token,
                             bytes->is_inbound ? MARK_PASS : MARK_PASS_ONCE);
}

static bool is_known(const struct flow *flow)
{
        if (!flow || !flow_is_call(flow) || flow->verdict != NX_VERDICT_ALLOW)
                return false;
        return !flow->closed_ns || (flow->delivery && flow->delivery->datagrams);
}

static void on_packet(const struct watch_packet *bytes, void *userdata)
{
        const struct endpoint *server, *caller;
        struct deliveries *all = userdata;
        struct packet packet;
        struct flow *flow;

        if (packet_parse(bytes->bytes, bytes->size, &packet) < 0 || packet.is_fragment) {
                watch_decide(all->watch, bytes->token, MARK_DROP);
                return;
        }
        server = bytes->is_inbound ? &packet.destination : &packet.source;
        caller = bytes->is_inbound ? &packet.source : &packet.destination;
        flow = flow_table_find_tuple(all->chain->flows, IPPROTO_UDP, server, caller);
        if (is_known(flow)) {
                let_go_on(all, flow, bytes, &packet);
                return;
        }
        passed_forget(all->passed, server, caller);
        watch_decide(all->watch, bytes->token, MARK_UNDECIDED);
}

static int on_readable(uint32_t events, void *userdata)
{
        struct deliveries *all = userdata;

        (void)events;
        return watch_receive(all->watch, on_packet, all);
}

void watched_decide(struct delivery *delivery, uint64_t token, bool passes)
{
        watch_decide(delivery->all->watch, token, passes ? MARK_PASS_ONCE : MARK_DROP);
}

int watched_open(struct deliveries *deliveries)
{
        deliveries->watch_io = (struct loop_io)LOOP_IO_NULL;
        return watch_open(&deliveries->watch, deliveries->hold_queue, deliveries->mark_mask);
}

int watched_start(struct deliveries *deliveries)
{
        return loop_add(deliveries->loop, &deliveries->watch_io, watch_fd(deliveries->watch),
                        EPOLLIN, on_readable, deliveries);
}

void watched_close(struct deliveries *deliveries)
{
        loop_remove(deliveries->loop, &deliveries->watch_io);
        deliveries->watch = watch_close(deliveries->watch);
}
