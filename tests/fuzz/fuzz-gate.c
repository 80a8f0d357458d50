/* SPDX-License-Identifier: Apache-2.0 */

/* fuzz-sources: src/flowd/packet/gate.c src/flowd/packet/lane.c src/flowd/packet/rules.c */
/* fuzz-sources: src/flowd/steer/packet-queue.c src/flowd/steer/nfqueue.c */
/* fuzz-sources: src/wire/channel.c src/wire/codec.c src/wire/names.c */
/* fuzz-sources: src/base/endpoint.c src/base/htable.c src/base/log.c */
/* fuzz-sources: src/base/loop.c src/base/sealed.c src/base/wheel.c */
/* fuzz-flags: -lmnl -lnetfilter_queue -lpthread */

/*
 * What an extension says about packets. The first byte is how many it was asked about, then come
 * datagrams of two bytes size and as many bytes. What waits must be what was asked about and not
 * decided, whatever was said.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "packet/gate.h"
#include "packet/lane.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct lane *lane, size_t n)
{
        static const uint8_t bytes[40] = { 0x45 };

        for (size_t i = 0; i < n; i++) {
                struct held_packet *packet = calloc(1, sizeof(*packet));

                list_init(&packet->waiting);
                packet->size = sizeof(bytes);
                lane_advance(lane, packet, bytes);
        }
}

static void say(struct lane *lane, int fd, const uint8_t *data, size_t size)
{
        while (size > 2) {
                size_t n = data[0] | (size_t)data[1] << 8;

                n = n < size - 2 ? n : size - 2;
                if (n > 0 && send(fd, data + 2, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n)
                        (void)loop_dispatch(&lane->loop, 0);
                data += 2 + n;
                size -= 2 + n;
        }
}

static void check(const struct gate *gate, size_t n)
{
        const struct gate_counters *counters = &gate->counters;
        size_t n_waiting = 0;
        struct held_packet *packet;

        list_for_each (packet, &gate->asked, waiting)
                n_waiting++;
        list_for_each (packet, &gate->queued, waiting)
                n_waiting++;
        list_for_each (packet, &gate->delayed, waiting)
                n_waiting++;
        if (n_waiting + counters->allowed + counters->dropped + counters->by_fail_policy != n)
                abort();
        if (gate->n_delayed > NX_PACKETS_DELAYED_MAX)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct packet_rules rules = { .n = 1 };
        struct lane lane = {};
        struct gate gate;
        int fds[2];

        if (size == 0)
                return 0;
        log_open("fuzz-gate", LOG_LEVEL_ERROR);
        if (loop_init(&lane.loop) < 0 || channel_pair(fds) < 0)
                abort();
        list_init(&lane.order);
        gate_init(&gate, &lane, 1, WIRE_FAIL_CLOSED, 1000000000ULL);
        gate.rules = &rules;
        list_append(&lane.order, &gate.in_order);
        if (gate_open(&gate, fds[0]) < 0)
                abort();
        ask(&lane, data[0]);
        gate_flush(&gate);
        say(&lane, fds[1], data + 1, size - 1);
        check(&gate, data[0]);
        gate_close(&gate);
        close_fd(fds[1]);
        loop_deinit(&lane.loop);
        return 0;
}
