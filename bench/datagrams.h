/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the UDP relay and the UDP proxy of the benchmarks share: a flow's two connected sockets,
 * and datagrams that go from one to the other in batches.
 */

struct datagrams_end {
        int fd;
        int other_fd;
};

/* Room for bursts, with CAP_NET_ADMIN beyond net.core.rmem_max. */
void datagrams_make_room(int fd);
/* One batch; a level-triggered poll comes back for the rest. Not for two threads at once. */
void datagrams_carry(const struct datagrams_end *end);
