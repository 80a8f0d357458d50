/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A thread that takes packets out of two queues of the kernel, sends each through the gates of the
 * sessions that want to see it, in their order, and says what becomes of it. The kernel spreads
 * packets over the lanes by their addresses.
 *
 * Everything in a lane is under its lock: the thread has it while it works, never while it waits;
 * the thread of flowd's loop takes it to change gates, which is rare and short.
 */

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "packet/gate.h"
#include "steer/packet-queue.h"

struct lane {
        pthread_mutex_t lock;
        pthread_t thread;
        sem_t started;
        bool is_running;
        bool stops;
        int wake_fd;
        int names_fd; /* a socket to ask interfaces' names by */
        struct loop loop;
        struct loop_io wake_io;
        struct packet_queue *queue;
        struct loop_io queue_io;
        bool is_reading;   /* from the queue */
        struct list order; /* gate.in_order */
};

/* Starts the thread, which waits. Before sandbox_enter(), which takes it in. */
int lane_start(struct lane *lane);
/* Ends the thread; gates are their owners'. Fine where it was not started. */
void lane_stop(struct lane *lane);

void lane_lock(struct lane *lane);
/* What was changed may give the thread something to do. */
void lane_unlock(struct lane *lane);

/* All of these with the lock. */
/* Packets come from that queue, which is the lane's from now on. */
int lane_set_queue(struct lane *lane, struct packet_queue *queue);
/* The packet passed the gates so far, and has bytes (or NULL: then no gate needs them). */
void lane_advance(struct lane *lane, struct held_packet *packet, const uint8_t *bytes);
/* Its verdict; it is freed. */
void lane_end(struct lane *lane, struct held_packet *packet, bool is_allowed);
