/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where visitors come whose connections are inspected: listening sockets that the kernel finds in
 * the place of the server's (bpf/steer.bpf.c, receive). A visitor's connection to us and the
 * server's end of ours to it have the same ends, in one table; what tells them apart is the
 * interface that they are bound to, lo for the server's. So there is a door for each interface,
 * opened with its first visitor.
 */

#include <stdint.h>

#include "base/list.h"
#include "deliver/listener.h"

struct hooks;

struct doors {
        struct loop *loop;   /* borrowed */
        struct hooks *hooks; /* borrowed */
        uint32_t own_mark;   /* of our connections to visitors */
        listener_accepted_fn *fn;
        void *userdata;
        struct list doors;
};

void doors_init(struct doors *doors);
void doors_close(struct doors *doors);
/* Sees to it that there is one for who comes in through interface. 0 or a negative errno. */
int doors_open(struct doors *doors, uint32_t interface);
