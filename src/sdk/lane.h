/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The threads of a packet filter: each has a channel to a thread of netext-flowd, memory in which
 * that one puts packets, and calls the extension's packet_handler for them, one after the other.
 *
 * A lane is referenced by its session and by each packet that was delayed there, which can be let
 * go by any thread: so what is sent is sent under a lock.
 */

#include <pthread.h>
#include <stdatomic.h>

#include <netext/packet.h>

#include "base/loop.h"
#include "wire/channel.h"

#define LANES_MAX 16

struct session;

struct lane {
        atomic_uint n_refs;
        struct session *session; /* of the lane's own thread, which ends before that */
        pthread_t thread;
        int fault_fd;    /* borrowed: wakes the session when fault was set */
        char fault[256]; /* what the extension did wrong, for people */
        atomic_bool is_faulty;
        const uint8_t *memory;  /* PROVIDER_PACKET_MEMORY, mapped, or NULL */
        pthread_mutex_t lock;   /* of what follows */
        struct channel channel; /* closed: the packets are nobody's any more */
};

struct lanes {
        struct lane *lanes[LANES_MAX];
        size_t n;
        int fault_fd; /* -1: there was no lane yet */
        struct loop_io fault_io;
};

#define LANES_NULL                                                                                 \
        {                                                                                          \
                .fault_fd = -1, .fault_io = LOOP_IO_NULL                                           \
        }

/* PROVIDER_PACKET_LANE: takes the descriptor over, and begins. 0 or a negative errno. */
int lanes_add(struct lanes *lanes, struct session *session, int fd);
/* Waits until no handler runs any more. */
void lanes_stop(struct lanes *lanes, struct session *session);

struct lane *lane_unref(struct lane *lane);

/* Of a packet that the lane's thread delayed. The context's packet is it from now on. */
struct nx_packet_context {
        struct lane *lane;
        uint64_t id;
        const char *interface;
        enum nx_direction direction;
        const void *bytes;
        size_t size;
        bool is_delayed;
};

/* Says what becomes of a delayed packet. 0 or -ESTALE. */
int lane_release(struct lane *lane, uint64_t packet, enum nx_packet_verdict verdict);
