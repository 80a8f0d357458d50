/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the UDP relay and the UDP proxy of the benchmarks share: a flow's two connected sockets,
 * and datagrams that go from one to the other in batches. Those of one size that stand behind
 * each other leave as one packet, which the network device or the receiving socket takes apart
 * (UDP_SEGMENT, udp(7)): they pass the network's layers once.
 */

struct datagrams_end {
        int fd;
        int other_fd;
};

/* Room for bursts, with CAP_NET_ADMIN beyond net.core.rmem_max. */
void datagrams_make_room(int fd);
/* One batch; a level-triggered poll comes back for the rest. Not for two threads at once. */
void datagrams_carry(const struct datagrams_end *end);
