/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where claimed TCP flows arrive: transparent listeners on 127.0.0.1 and ::1. An accepted
 * socket's local address is the flow's destination and its peer is the program, because
 * the nft rule handed us the packet as it was (steer/ruleset.c, chain deliver).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "base/loop.h"

#define LISTENER_FAMILIES 2

/* fd is handed over. */
typedef void listener_accepted_fn(int fd, const struct endpoint *app, const struct endpoint *remote,
                                  void *userdata);

struct listener {
        int fds[LISTENER_FAMILIES]; /* owned; -1: the family is not there */
        uint16_t ports[LISTENER_FAMILIES];
        struct loop_io ios[LISTENER_FAMILIES];
        struct loop *loop;             /* borrowed */
        struct loop_timer pause_timer; /* runs while nothing can be accepted */
        int spare_fd; /* owned; given up for a moment where no number is left to accept with */
        int n_fds_max;
        uint64_t n_refused; /* for lack of descriptors */
        listener_accepted_fn *fn;
        void *userdata;
};

/* Opens both sockets; needs CAP_NET_ADMIN. Nothing is accepted yet. 0 or a negative errno. */
int listener_open(struct listener *listener);
void listener_close(struct listener *listener);
int listener_start(struct listener *listener, struct loop *loop, listener_accepted_fn *fn,
                   void *userdata);
/* Few descriptors are left: what is begun now may not come to its end. */
bool listener_is_short(const struct listener *listener);
/* Accepts what is there now, at most n. */
void listener_accept(struct listener *listener, unsigned int n);

static inline uint16_t listener_port4(const struct listener *listener)
{
        return listener->ports[0];
}

static inline uint16_t listener_port6(const struct listener *listener)
{
        return listener->ports[1];
}
