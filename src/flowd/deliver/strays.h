/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Datagrams of claimed flows that have no socket any more: the extension closed it or died,
 * and the kernel still turns the flow's datagrams to us. They come here, on the ports of
 * the listeners (deliver/listener.h), so that whoever is told can let go of the flow and
 * the next datagram is a new one's first.
 */

#include <stdint.h>

#include "base/endpoint.h"
#include "base/loop.h"
#include "deliver/listener.h"

typedef void strays_fn(const struct endpoint *app, const struct endpoint *remote, void *userdata);

struct strays {
        int fds[LISTENER_FAMILIES]; /* owned; -1: the family is not there */
        struct loop_io ios[LISTENER_FAMILIES];
        struct loop *loop; /* borrowed */
        strays_fn *fn;
        void *userdata;
};

/* -EADDRINUSE where another has one of the ports; needs CAP_NET_ADMIN. */
int strays_open(struct strays *strays, const struct listener *listener);
void strays_close(struct strays *strays);
int strays_start(struct strays *strays, struct loop *loop, strays_fn *fn, void *userdata);
