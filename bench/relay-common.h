/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the relays of the benchmarks share: the transparent listener, and the way on to where
 * the client wanted to go. Functions return 0 or a descriptor, or a negative errno.
 */
#include <stdint.h>

struct relay_arguments {
        uint16_t port;
        uint32_t mark; /* of the relay's own connections */
};

int relay_parse_arguments(int argc, char **argv, struct relay_arguments *ret_arguments);

/* All that tproxy delivers to the port, whatever its address. */
int relay_listen(uint16_t port);
/* The next client, or -EAGAIN. */
int relay_accept(int listener_fd);
/* A socket on its way to the address that the client believes to talk to. */
int relay_connect_on(int app_fd, uint32_t mark);
