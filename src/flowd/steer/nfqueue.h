/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* NFQUEUE sockets: the kernel's queues of packets that wait for a verdict are bound to one, and
 * live as long as it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nfqueue_config {
        uint32_t copy_size; /* so much of each packet we get to see */
        uint32_t length;    /* so many wait; more are the fail policy's case */
        bool is_whole; /* what will be segmented later is one packet; else it is segmented now */
        bool drops_when_full; /* else the packet goes on */
};

/* The socket, the caller's, or a negative errno. */
int nfqueue_open(void);
/* 0, -EBUSY or -EPERM for a number that is taken, or another negative errno. */
int nfqueue_bind(int fd, uint16_t number, const struct nfqueue_config *config);
void nfqueue_unbind(int fd, uint16_t number);
/* Once its queues are bound. */
int nfqueue_set_up(int fd);
int nfqueue_send(int fd, const void *bytes, size_t size);
