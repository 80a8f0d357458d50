/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The addresses of the host's own interfaces, for the rule engine: what goes to one of them
 * goes over lo, whichever interface bears it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/loop.h"
#include "bpf/steer.abi.h"

struct hooks;

struct addresses {
        struct loop *loop;   /* borrowed */
        struct hooks *hooks; /* borrowed */
        struct loop_io io;
        struct loop_timer retry;
        int fd;
        bool is_full;   /* and we said so */
        size_t n_found; /* by the last dump, sorted */
        struct steer_address found[STEER_LOCAL_ADDRESSES_MAX];
};

/* Tells the programs the addresses that there are now, and from then on what becomes of them. */
int addresses_open(struct addresses *addresses, struct loop *loop, struct hooks *hooks);
void addresses_close(struct addresses *addresses);
