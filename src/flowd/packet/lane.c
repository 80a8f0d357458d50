/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A round of the loop is under the lock, and the wait for it is not: so the loop's descriptor is
 * waited for elsewhere, and then dispatched without waiting.
 *
 * While a gate has no room the queue is not read. Then packets wait in the kernel, and where there
 * are too many the queue's own policy decides. It is read again when answers came, or their time
 * was over, so at last after a verdict timeout.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/interface.h"
#include "packet/lane.h"

static bool wants(const struct gate *gate, const struct held_packet *packet)
{
        return gate->rules && !(packet->passed_slots >> gate->slot & 1) &&
               packet_rules_match(gate->rules, &packet->facts);
}

/* The first that wants to see it, behind after (NULL: of all). */
static struct gate *find_gate(const struct lane *lane, const struct held_packet *packet,
                              const struct gate *after)
{
        bool is_behind = !after;
        struct gate *gate;

        list_for_each (gate, &lane->order, in_order) {
                if (is_behind && wants(gate, packet))
                        return gate;
                is_behind |= gate == after;
        }
        return NULL;
}

void lane_end(struct lane *lane, struct held_packet *packet, bool is_allowed)
{
        if (lane->queue)
                packet_queue_decide(lane->queue, packet->held, is_allowed);
        free(packet->copy);
        free(packet);
}

void lane_advance(struct lane *lane, struct held_packet *packet, const uint8_t *bytes)
{
        struct gate *gate = bytes ? find_gate(lane, packet, NULL) : NULL;

        if (!gate) {
                lane_end(lane, packet, true);
                return;
        }
        packet->passed_slots |= 1ULL << gate->slot;
        /* Another session will want to see its bytes when this one has answered. */
        if (find_gate(lane, packet, gate) && !held_packet_keep(packet, bytes))
                lane_end(lane, packet, gate->fail_policy != WIRE_FAIL_CLOSED);
        else
                gate_ask(gate, packet, bytes);
}

/* --- what comes ---------------------------------------------------------------------------- */

/* What nobody wants to see any more came by older rules: those whose queue it is in decide. */
static void on_packet(const struct packet_queue_packet *came, void *userdata)
{
        struct lane *lane = userdata;
        struct held_packet *packet = calloc(1, sizeof(*packet));

        if (!packet) {
                packet_queue_decide(lane->queue, came->held, !came->held.is_closed);
                return;
        }
        list_init(&packet->waiting);
        packet->held = came->held;
        packet->facts.direction = came->direction;
        packet->size = came->size;
        interface_name(lane->names_fd, came->interface, packet->facts.interface);
        if (came->size > WIRE_PACKET_SLOT_SIZE ||
            packet_facts_read(&packet->facts, came->bytes, came->size) < 0 ||
            !find_gate(lane, packet, NULL))
                lane_end(lane, packet, !came->held.is_closed);
        else
                lane_advance(lane, packet, came->bytes);
}

static int on_queue(uint32_t events, void *userdata)
{
        struct lane *lane = userdata;

        return packet_queue_receive(lane->queue, on_packet, lane);
}

static bool has_room(const struct lane *lane)
{
        struct gate *gate;

        list_for_each (gate, &lane->order, in_order)
                if (!gate_has_room(gate, PACKET_QUEUE_BATCH))
                        return false;
        return true;
}

static void read_while_there_is_room(struct lane *lane)
{
        bool reads = has_room(lane);

        if (!lane->queue || reads == lane->is_reading)
                return;
        lane->is_reading = reads;
        (void)loop_modify(&lane->loop, &lane->queue_io, reads ? EPOLLIN : 0);
}

static int on_round_over(void *userdata)
{
        struct lane *lane = userdata;
        struct gate *gate;

        list_for_each (gate, &lane->order, in_order)
                gate_flush(gate);
        if (lane->queue)
                packet_queue_flush(lane->queue);
        read_while_there_is_room(lane);
        return 0;
}

/* --- the thread ---------------------------------------------------------------------------- */

void lane_lock(struct lane *lane)
{
        pthread_mutex_lock(&lane->lock);
}

void lane_unlock(struct lane *lane)
{
        const uint64_t one = 1;

        (void)on_round_over(lane);
        (void)!write(lane->wake_fd, &one, sizeof(one));
        pthread_mutex_unlock(&lane->lock);
}

static int on_wake(uint32_t events, void *userdata)
{
        struct lane *lane = userdata;
        uint64_t n;

        (void)!read(lane->wake_fd, &n, sizeof(n));
        return 0;
}

static void *lane_run(void *userdata)
{
        struct lane *lane = userdata;
        struct epoll_event event;

        sem_post(&lane->started);
        pthread_mutex_lock(&lane->lock);
        while (!lane->stops) {
                loop_arm(&lane->loop);
                pthread_mutex_unlock(&lane->lock);
                (void)epoll_wait(lane->loop.epoll_fd, &event, 1, -1);
                pthread_mutex_lock(&lane->lock);
                if (!lane->stops && loop_dispatch(&lane->loop, 0) < 0)
                        break;
        }
        pthread_mutex_unlock(&lane->lock);
        return NULL;
}

int lane_set_queue(struct lane *lane, struct packet_queue *queue)
{
        lane->queue = queue;
        lane->is_reading = true;
        return loop_add(&lane->loop, &lane->queue_io, packet_queue_fd(queue), EPOLLIN, on_queue,
                        lane);
}

/* Signals are the loop's. The thread is there when this returns: the sandbox must not meet one that
 * is not complete. */
static int start_thread(struct lane *lane)
{
        sigset_t all, before;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&lane->thread, NULL, lane_run, lane);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r > 0)
                return -r;
        lane->is_running = true;
        while (sem_wait(&lane->started) < 0)
                ;
        return 0;
}

int lane_start(struct lane *lane)
{
        int r;

        *lane = (struct lane){
                .wake_fd = -1, .names_fd = -1, .wake_io = LOOP_IO_NULL, .queue_io = LOOP_IO_NULL
        };
        list_init(&lane->order);
        pthread_mutex_init(&lane->lock, NULL);
        sem_init(&lane->started, 0, 0);
        r = loop_init(&lane->loop);
        if (r < 0)
                return r;
        loop_set_after_round(&lane->loop, on_round_over, lane);
        lane->names_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        lane->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (lane->wake_fd < 0 || lane->names_fd < 0)
                return -errno;
        r = loop_add(&lane->loop, &lane->wake_io, lane->wake_fd, EPOLLIN, on_wake, lane);
        return r < 0 ? r : start_thread(lane);
}

void lane_stop(struct lane *lane)
{
        if (lane->is_running) {
                lane_lock(lane);
                lane->stops = true;
                lane_unlock(lane);
                pthread_join(lane->thread, NULL);
                lane->is_running = false;
        }
        loop_remove(&lane->loop, &lane->queue_io);
        loop_remove(&lane->loop, &lane->wake_io);
        lane->queue = packet_queue_close(lane->queue);
        lane->wake_fd = close_fd(lane->wake_fd);
        lane->names_fd = close_fd(lane->names_fd);
        loop_deinit(&lane->loop);
}
